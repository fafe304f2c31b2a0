"""The OCI distribution API (1.1): the requests, each answer checked, every byte hashed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import BinaryIO
from urllib.parse import urlsplit

from buildonce.errors import IntegrityError, UnavailableError
from buildonce.refs import Digest, ImageRef, Repository, digest_of, digest_of_file
from buildonce.registry.connections import Answer
from buildonce.registry.manifest import ACCEPT, Manifest
from buildonce.registry.transport import Transport


class MissingRepositoryError(UnavailableError):
    """The registry answers, and a repository has to be created before anything is pushed."""


class Api:
    """Speaks to registries. Safe to use from several threads.

    Every method raises ``UnavailableError`` where the registry does not answer or refuses, and
    ``IntegrityError`` where bytes are not what their digest says.
    """

    def __init__(
        self, *, insecure: Collection[str] = (), notice: Callable[[str], None] | None = None
    ) -> None:
        """Begin without a connection.

        Args:
            insecure: registries that speak plain HTTP (loopback always may).
            notice: hears of a registry that asks to be waited for.
        """
        self._insecure, self._notice = insecure, notice
        self._transports: dict[str, Transport] = {}

    @property
    def sent(self) -> dict[str, int]:
        """How many requests each registry got."""
        return {name: transport.sent for name, transport in self._transports.items()}

    def manifest(self, ref: ImageRef) -> Manifest | None:
        """Return what a tag or digest names, or None where there is nothing."""
        answer = self._send("GET", ref.repository, _manifest(ref), accept=ACCEPT)
        if answer.status == 404:
            return None
        _expect(answer, 200, f"reading {ref}")
        media_type = answer.headers.get("Content-Type", "").partition(";")[0]
        manifest = Manifest(ref, answer.data, media_type)
        if ref.by_digest and manifest.digest != ref.reference:
            raise IntegrityError(
                f"the registry answered {ref} with bytes that hash to {manifest.digest}",
                hint="do not use this registry until you know why",
            )
        return manifest

    def put_manifest(self, ref: ImageRef, content: bytes, media_type: str) -> None:
        """Write a manifest under a tag or digest."""
        answer = self._send(
            "PUT", ref.repository, _manifest(ref), content_type=media_type, body=content
        )
        _expect(answer, 201, f"writing {ref}")

    def delete_manifest(self, ref: ImageRef) -> Answer:
        """Ask for the removal of a tag or digest; registries differ in what they answer."""
        return self._send("DELETE", ref.repository, _manifest(ref))

    def blob(self, repository: Repository, digest: Digest) -> bytes | None:
        """Return a blob, or None where it is missing. For configurations, not for layers."""
        answer = self._send("GET", repository, f"/blobs/{digest}")
        if answer.status == 404:
            return None
        _expect(answer, 200, f"reading {repository}@{digest}")
        if digest_of(answer.data) != digest:
            raise _other_bytes(repository, digest)
        return answer.data

    def has_blob(self, repository: Repository, digest: Digest) -> bool:
        """Tell whether a blob is there, without reading it."""
        answer = self._send("HEAD", repository, f"/blobs/{digest}")
        if answer.status == 404:
            return False
        _expect(answer, 200, f"looking for {repository}@{digest}")
        return True

    def read_blob(self, repository: Repository, digest: Digest, file: BinaryIO) -> bool:
        """Write a blob of any size into a new file; tell whether there is one."""
        answer = self._send("GET", repository, f"/blobs/{digest}", into=file)
        if answer.status == 404:
            return False
        _expect(answer, 200, f"reading {repository}@{digest}")
        if digest_of_file(file) != digest:
            raise _other_bytes(repository, digest)
        return True

    def put_blob(self, repository: Repository, content: bytes) -> None:
        """Upload a blob, unless it is there."""
        digest = digest_of(content)
        if not self.has_blob(repository, digest):
            self._upload(repository, digest, content, len(content))

    def write_blob(self, repository: Repository, digest: Digest, file: BinaryIO, size: int) -> None:
        """Upload a blob of any size from a file that can be read again."""
        self._upload(repository, digest, file, size)

    def mount_blob(self, repository: Repository, digest: Digest, source: Repository) -> bool:
        """Have a blob of another repository of the same registry in this one too.

        Tell whether it is there now: a registry may not do that, or not let us (OCI distribution
        specification 1.1, "Mounting a blob from another repository").
        """
        answer = self._send(
            "POST", repository, f"/blobs/uploads/?mount={digest}&from={source.path}",
            also=f"repository:{source.path}:pull",
        )  # fmt: skip
        if answer.status == 202 and "Location" in answer.headers:
            self._send("DELETE", repository, answer.headers["Location"])
        return answer.status == 201

    def _upload(
        self, repository: Repository, digest: Digest, body: bytes | BinaryIO, size: int
    ) -> None:
        address = self._begin_upload(repository)
        separator = "&" if urlsplit(address).query else "?"
        done = self._send(
            "PUT", repository, f"{address}{separator}digest={digest}",
            content_type="application/octet-stream", body=body, size=size,
        )  # fmt: skip
        if done.status != 201 and not self.has_blob(repository, digest):
            raise failed(done, f"uploading to {repository}")

    def require_writable(self, repository: Repository) -> None:
        """Begin an upload and cancel it: nothing is left behind.

        Raises:
            UnavailableError: the registry does not take uploads from us, or has no such
                repository yet (MissingRepositoryError).
        """
        self._send("DELETE", repository, self._begin_upload(repository))

    def _begin_upload(self, repository: Repository) -> str:
        begun = self._send("POST", repository, "/blobs/uploads/")
        if begun.status == 404:
            raise MissingRepositoryError(
                f"the registry {repository.registry} has no repository {repository.path}, and does "
                "not create one by a push",
                hint="create it there, or have it created: tool.buildonce.create_repository",
            )
        _expect(begun, 202, f"beginning an upload to {repository}")
        address = begun.headers.get("Location")
        if not address:
            raise UnavailableError(
                f"the registry {repository.registry} began an upload and did not say where",
                hint="inv doctor",
            )
        return address

    def _send(
        self,
        method: str,
        repository: Repository,
        path: str,
        *,
        accept: str = "*/*",
        content_type: str = "",
        body: bytes | BinaryIO | None = None,
        size: int | None = None,
        into: BinaryIO | None = None,
        also: str = "",
    ) -> Answer:
        headers = {"Accept": accept}
        if content_type:
            headers["Content-Type"] = content_type
        if size is not None:
            headers["Content-Length"] = str(size)
        actions = "pull" if method in ("GET", "HEAD") else "pull,push,delete"
        if path.startswith(("/manifests/", "/blobs/")):
            path = f"/v2/{repository.path}{path}"
        scope = f"repository:{repository.path}:{actions} {also}".strip()
        return self._transport(repository.registry).send(
            method, path, scope=scope, headers=headers, body=body, into=into
        )

    def _transport(self, registry: str) -> Transport:
        if registry not in self._transports:
            insecure = registry in self._insecure
            self._transports.setdefault(
                registry, Transport(registry, insecure=insecure, notice=self._notice)
            )
        return self._transports[registry]


def failed(answer: Answer, doing: str) -> UnavailableError:
    """Return the error for an answer that says no, with its first words."""
    words = answer.data[:300].decode(errors="replace").strip()
    return UnavailableError(
        f"{doing}: the registry answered {answer.status} {words}", hint="inv doctor"
    )


def _other_bytes(repository: Repository, digest: Digest) -> IntegrityError:
    return IntegrityError(
        f"the registry answered {repository}@{digest} with other bytes",
        hint="do not use this registry until you know why",
    )


def _manifest(ref: ImageRef) -> str:
    return f"/manifests/{ref.reference}"


def _expect(answer: Answer, status: int, doing: str) -> None:
    if answer.status != status:
        raise failed(answer, doing)
