"""Manifests and blobs by the OCI distribution specification (1.1)."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import urllib3

from buildonce.errors import IntegrityError, UnavailableError
from buildonce.refs import Digest, ImageRef, Repository, digest_of, parse_digest
from buildonce.registry.transport import Transport

PLAIN_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_ACCEPT = ", ".join((*PLAIN_MANIFESTS, *_INDEXES))
_EMPTY = b"{}"
_REVISION_LABEL = "org.opencontainers.image.revision"


@dataclass(frozen=True)
class Manifest:
    """A manifest's own bytes, and what they hash to."""

    ref: ImageRef
    content: bytes
    media_type: str

    @property
    def digest(self) -> Digest:
        """The digest of the bytes, computed here."""
        return digest_of(self.content)

    @property
    def is_plain(self) -> bool:
        """Whether it is one platform's manifest, not an index of several."""
        return self.media_type in PLAIN_MANIFESTS

    @property
    def config(self) -> Digest:
        """The digest of the image's configuration."""
        return parse_digest(self._document()["config"]["digest"])

    @property
    def layers(self) -> tuple[Digest, ...]:
        """The digests of the layers, the lowest first."""
        return tuple(parse_digest(layer["digest"]) for layer in self._document()["layers"])

    def _document(self) -> Any:
        return json.loads(self.content)


class Registry:
    """Reads and writes images, and hashes whatever it reads. Safe to use from several threads.

    Every method raises ``UnavailableError`` where the registry does not answer or refuses, and
    ``IntegrityError`` where bytes are not what their digest says.
    """

    def __init__(self, *, insecure: str = "") -> None:
        """``insecure`` names a registry that speaks plain HTTP (loopback always may)."""
        self._insecure = insecure
        self._transports: dict[str, Transport] = {}

    def manifest(self, ref: ImageRef) -> Manifest | None:
        """Return what a tag or digest names, or None where there is nothing."""
        response = self._send("GET", ref.repository, _manifest(ref), accept=_ACCEPT)
        if response.status == 404:
            return None
        _expect(response, 200, f"reading {ref}")
        media_type = response.headers.get("Content-Type", "").partition(";")[0]
        manifest = Manifest(ref, response.data, media_type)
        if ref.by_digest and manifest.digest != ref.reference:
            raise IntegrityError(
                f"the registry answered {ref} with bytes that hash to {manifest.digest}",
                hint="do not use this registry until you know why",
            )
        return manifest

    def digest(self, ref: ImageRef) -> Digest | None:
        """Return the digest of what ``ref`` names, hashed here, or None."""
        manifest = self.manifest(ref)
        return manifest.digest if manifest else None

    def blob(self, repository: Repository, digest: Digest) -> bytes | None:
        """Return a blob, or None where it is missing. For configurations, not for layers."""
        response = self._send("GET", repository, f"/blobs/{digest}")
        if response.status == 404:
            return None
        _expect(response, 200, f"reading {repository}@{digest}")
        if digest_of(response.data) != digest:
            raise IntegrityError(
                f"the registry answered {repository}@{digest} with other bytes",
                hint="do not use this registry until you know why",
            )
        return response.data

    def has_blob(self, repository: Repository, digest: Digest) -> bool:
        """Tell whether a blob is there, without reading it."""
        response = self._send("HEAD", repository, f"/blobs/{digest}")
        if response.status == 404:
            return False
        _expect(response, 200, f"looking for {repository}@{digest}")
        return True

    def labels(self, manifest: Manifest) -> dict[str, str]:
        """Return the labels of an image, from a configuration whose bytes were hashed.

        Raises:
            IntegrityError: the configuration is missing.
        """
        repository = manifest.ref.repository
        content = self.blob(repository, manifest.config)
        if content is None:
            raise IntegrityError(
                f"{manifest.ref}: its configuration {manifest.config} is missing",
                hint="inv build --sha makes a new commit's images; this one's are damaged",
            )
        return dict(json.loads(content).get("config", {}).get("Labels") or {})

    def revision(self, manifest: Manifest) -> str | None:
        """Return the commit that an image's label names, or None."""
        return self.labels(manifest).get(_REVISION_LABEL)

    def point(self, tag: ImageRef, digest: Digest) -> None:
        """Make ``tag`` name ``digest``: its manifest is put again, byte for byte.

        What the tag names afterwards is read back and hashed.

        Raises:
            IntegrityError: there is no such manifest, or the tag names other bytes afterwards.
        """
        manifest = self.manifest(tag.repository.at(digest))
        if manifest is None:
            raise IntegrityError(
                f"{tag.repository}@{digest} is not in the registry",
                hint="inv verify   (shows what else is missing)",
            )
        self._put(tag, manifest.content, manifest.media_type)
        found = self.digest(tag)
        if found != digest:
            raise IntegrityError(
                f"{tag} was moved to {digest} but names {found or 'nothing'}",
                hint="somebody else writes this tag, or the registry lost the write; inv status",
            )

    def tags(self, repository: Repository) -> list[str]:
        """Return all tags of a repository."""
        tags: list[str] = []
        path = "/tags/list?n=1000"
        while path:
            response = self._send("GET", repository, path)
            if response.status == 404:
                return tags
            _expect(response, 200, f"listing the tags of {repository}")
            tags += json.loads(response.data).get("tags") or []
            path = _next_page(response)
        return tags

    def remove_tag(self, tag: ImageRef) -> None:
        """Remove a tag and nothing else: what it names stays, under its digest and other tags.

        Registries that cannot remove a tag by its name (Distribution 2) remove a manifest with
        all its tags; there the tag first gets a manifest that nothing else names. Where that
        cannot be removed either, the tag names again what it named.
        """
        response = self._send("DELETE", tag.repository, _manifest(tag))
        if response.status in (400, 405):
            response = self._remove_with_manifest(tag)
        if response.status not in (202, 404):
            raise _failed(response, f"removing {tag}")

    def require_writable(self, repository: Repository) -> None:
        """Begin an upload and cancel it: nothing is left behind.

        Raises:
            UnavailableError: the registry does not take uploads from us.
        """
        begun = self._send("POST", repository, "/blobs/uploads/")
        _expect(begun, 202, f"beginning an upload to {repository}")
        self._send("DELETE", repository, begun.headers["Location"])

    def _remove_with_manifest(self, tag: ImageRef) -> urllib3.BaseHTTPResponse:
        named = self.manifest(tag)
        placeholder = self._put_placeholder(tag)
        response = self._send("DELETE", tag.repository, f"/manifests/{placeholder}")
        if named and response.status != 202:
            self._put(tag, named.content, named.media_type)
        return response

    def _put_placeholder(self, tag: ImageRef) -> Digest:
        self._put_blob(tag.repository, _EMPTY)
        empty = {"mediaType": "application/vnd.oci.empty.v1+json", "size": len(_EMPTY)}
        descriptor = {**empty, "digest": digest_of(_EMPTY)}
        content = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": PLAIN_MANIFESTS[0],
                "config": descriptor,
                "layers": [descriptor],
                "annotations": {"buildonce.removed": secrets.token_hex(16)},
            }
        ).encode()
        self._put(tag, content, PLAIN_MANIFESTS[0])
        return digest_of(content)

    def _put(self, tag: ImageRef, content: bytes, media_type: str) -> None:
        response = self._send(
            "PUT", tag.repository, _manifest(tag), content_type=media_type, body=content
        )
        _expect(response, 201, f"writing {tag}")

    def _put_blob(self, repository: Repository, content: bytes) -> None:
        digest = digest_of(content)
        if self.has_blob(repository, digest):
            return
        begun = self._send("POST", repository, "/blobs/uploads/")
        _expect(begun, 202, f"beginning an upload to {repository}")
        address = begun.headers["Location"]
        separator = "&" if urlsplit(address).query else "?"
        done = self._send(
            "PUT", repository, f"{address}{separator}digest={digest}",
            content_type="application/octet-stream", body=content,
        )  # fmt: skip
        _expect(done, 201, f"uploading to {repository}")

    def _send(
        self,
        method: str,
        repository: Repository,
        path: str,
        *,
        accept: str = "*/*",
        content_type: str = "",
        body: bytes | None = None,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": accept}
        if content_type:
            headers["Content-Type"] = content_type
        actions = "pull" if method in ("GET", "HEAD") else "pull,push,delete"
        if not path.startswith(("/v2/", "http")):
            path = f"/v2/{repository.path}{path}"
        return self._transport(repository.registry).send(
            method, path, scope=f"repository:{repository.path}:{actions}",
            headers=headers, body=body,
        )  # fmt: skip

    def _transport(self, registry: str) -> Transport:
        if registry not in self._transports:
            insecure = registry == self._insecure
            self._transports.setdefault(registry, Transport(registry, insecure=insecure))
        return self._transports[registry]


def _manifest(ref: ImageRef) -> str:
    return f"/manifests/{ref.reference}"


def _next_page(response: urllib3.BaseHTTPResponse) -> str:
    link = response.headers.get("Link", "")
    target = link.partition(">")[0].lstrip("< ")
    return urljoin("/v2/", target) if target else ""


def _expect(response: urllib3.BaseHTTPResponse, status: int, doing: str) -> None:
    if response.status != status:
        raise _failed(response, doing)


def _failed(response: urllib3.BaseHTTPResponse, doing: str) -> UnavailableError:
    said = response.data[:300].decode(errors="replace").strip()
    return UnavailableError(
        f"{doing}: the registry answered {response.status} {said}", hint="inv doctor"
    )
