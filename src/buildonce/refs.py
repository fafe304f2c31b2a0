"""Names of images: parsed once, then carried as types.

The grammar is the OCI distribution specification's (1.1, "Pulling manifests") and, for the
registry's part, the one of Docker's reference package.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import BinaryIO, NewType

from buildonce.errors import UsageError

Digest = NewType("Digest", str)
"""``sha256:`` and 64 hex digits: the hash of the bytes that it names."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"(?P<registry>{_HOST})/(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)")
_REVISION = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")

_USER = re.compile(r"(?<=://)\S*@")

DOCKER_HUB = "docker.io"


def digest_of(content: bytes) -> Digest:
    """Return the digest of these very bytes."""
    return Digest(f"sha256:{hashlib.sha256(content).hexdigest()}")


def digest_of_file(file: BinaryIO) -> Digest:
    """Return the digest of a file's bytes, from its beginning."""
    hashed = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(1 << 20):
        hashed.update(chunk)
    return Digest(f"sha256:{hashed.hexdigest()}")


def parse_digest(text: str) -> Digest:
    """Return ``text`` as a digest.

    Raises:
        UsageError: it is not ``sha256:`` and 64 lower-case hex digits.
    """
    if not _DIGEST.fullmatch(text):
        raise UsageError(f"{text!r} is not a digest (sha256: and 64 hex digits)")
    return Digest(text)


def short(digest: str) -> str:
    """Return a digest's first twelve hex digits, for people."""
    return digest.removeprefix("sha256:")[:12]


def parse_tag(text: str) -> str:
    """Return ``text`` where it can be a tag.

    Raises:
        UsageError: the specification's grammar does not admit it.
    """
    if not _TAG.fullmatch(text):
        raise UsageError(
            f"{text!r} cannot be a tag: at most 128 letters, digits, '_', '.' or '-', "
            "not beginning with '.' or '-'"
        )
    return text


def is_revision(text: str) -> bool:
    """Tell whether ``text`` is a full commit id (40 hex digits, or 64 with SHA-256)."""
    return bool(_REVISION.fullmatch(text))


@dataclass(frozen=True)
class Repository:
    """A place for images: ``registry`` (host and port) and ``path`` in it."""

    registry: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Repository:
        """Read ``registry/path``.

        Raises:
            UsageError: the grammar does not admit it, or the registry is missing.
        """
        match = _REPOSITORY.fullmatch(text)
        if not match:
            raise UsageError(
                f"{text!r} is not an image name: expected registry/path, "
                "the path in lower-case letters, digits and single separators"
            )
        return cls(match["registry"], match["path"])

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}"

    def tag(self, tag: str) -> ImageRef:
        """Return the reference of a tag here."""
        return ImageRef(self, parse_tag(tag))

    def at(self, digest: Digest) -> ImageRef:
        """Return the reference of a digest here."""
        return ImageRef(self, digest)


@dataclass(frozen=True)
class ImageRef:
    """One image: a repository with a tag or a digest in it."""

    repository: Repository
    reference: str

    @classmethod
    def parse(cls, text: str) -> ImageRef:
        """Read an image name as a Dockerfile's ``FROM`` has it.

        Names without a registry are Docker Hub's; without a tag, ``latest``; where both a
        tag and a digest are given, the digest counts.

        Raises:
            UsageError: it is not an image name.
        """
        name, tag, digest = _split(text)
        reference = parse_digest(digest) if digest else parse_tag("latest" if tag is None else tag)
        return cls(Repository.parse(name), reference)

    @property
    def by_digest(self) -> bool:
        """Whether the reference names bytes, not a tag."""
        return self.reference.startswith("sha256:")

    def __str__(self) -> str:
        return f"{self.repository}{'@' if self.by_digest else ':'}{self.reference}"


def full_name(image: str) -> str:
    """Return an image's name without tag and digest, with the registry that it means.

    As Docker's reference package normalises familiar names: ``python`` and
    ``docker.io/python`` are ``docker.io/library/python``.
    """
    return _split(image)[0]


def full_reference(image: str) -> str:
    """Return an image's full name with its tag and digest as they are written.

    Without either, the tag is ``latest``: this is what BuildKit calls the image.
    """
    name, tag, digest = _split(image)
    if tag is None and not digest:
        tag = "latest"
    return name + ("" if tag is None else f":{tag}") + (f"@{digest}" if digest else "")


def _split(image: str) -> tuple[str, str | None, str]:
    """Return an image's full name, its tag if it has one, and its digest or nothing."""
    name, _, digest = image.partition("@")
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        return _with_registry(name), None, digest
    return _with_registry(head), tag, digest


def _with_registry(name: str) -> str:
    first, slash, path = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, path = DOCKER_HUB, name
    if first in (DOCKER_HUB, f"index.{DOCKER_HUB}"):
        first, path = DOCKER_HUB, path if "/" in path else f"library/{path}"
    return f"{first}/{path}"


def without_users(text: str) -> str:
    """Return a text in which addresses have no user and no password."""
    return _USER.sub("", text)
