"""Manifests and blobs by the OCI distribution specification (1.1)."""

from __future__ import annotations

import json
import secrets
from urllib.parse import urlsplit

import urllib3

from buildonce.errors import IntegrityError, RemovalError, UnavailableError
from buildonce.refs import Digest, ImageRef, Repository, digest_of
from buildonce.registry.manifest import ACCEPT, EMPTY, PLAIN_MANIFESTS, Manifest, placeholder
from buildonce.registry.transport import Transport

_NO_TAGS = (400, 405)
"""What registries answer that cannot remove a tag by its name."""

_REVISION_LABEL = "org.opencontainers.image.revision"


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
        response = self._send("GET", ref.repository, _manifest(ref), accept=ACCEPT)
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

    def remove_tag(self, tag: ImageRef) -> None:
        """Remove a tag and nothing else: what it names stays, under its digest and other tags.

        Registries that cannot remove a tag by its name (Distribution 2) remove a manifest with
        all its tags; there the tag first gets a manifest that nothing else names. Where that
        cannot be removed either, the tag names again what it named.

        Raises:
            RemovalError: the registry removes nothing at all; the tag is as it was.
        """
        response = self._send("DELETE", tag.repository, _manifest(tag))
        if response.status in _NO_TAGS:
            self._remove_with_manifest(tag)
        else:
            _expect_gone(response, tag)

    def require_writable(self, repository: Repository) -> None:
        """Begin an upload and cancel it: nothing is left behind.

        Raises:
            UnavailableError: the registry does not take uploads from us.
        """
        begun = self._send("POST", repository, "/blobs/uploads/")
        _expect(begun, 202, f"beginning an upload to {repository}")
        self._send("DELETE", repository, _upload_address(begun, repository))

    def _remove_with_manifest(self, tag: ImageRef) -> None:
        named = self.manifest(tag)
        if named is None:
            return
        self._require_manifests_to_go(tag.repository)
        self._put_blob(tag.repository, EMPTY)
        content = placeholder()
        address = _manifest(tag.repository.at(digest_of(content)))
        try:
            self._put(tag, content, PLAIN_MANIFESTS[0])
            _expect_gone(self._send("DELETE", tag.repository, address), tag)
        except BaseException:
            self._put(tag, named.content, named.media_type)
            raise

    def require_removal(self, repository: Repository) -> None:
        """See, by a tag and a digest that nothing has, that tags can be removed here.

        Raises:
            RemovalError: the registry removes nothing.
        """
        nothing = repository.tag(secrets.token_hex(16))
        response = self._send("DELETE", repository, _manifest(nothing))
        if response.status in _NO_TAGS:
            self._require_manifests_to_go(repository)

    def _require_manifests_to_go(self, repository: Repository) -> None:
        nothing = repository.at(digest_of(secrets.token_bytes(16)))
        response = self._send("DELETE", repository, _manifest(nothing))
        if response.status != 404:
            raise RemovalError(
                f"the registry {repository.registry} removes nothing by its API "
                f"(it answered {response.status}): {repository} is as it was",
                hint="see the registry's own settings for retention and for deleting",
            )

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
        address = _upload_address(begun, repository)
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
        if path.startswith(("/manifests/", "/blobs/")):
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


def _upload_address(begun: urllib3.BaseHTTPResponse, repository: Repository) -> str:
    address = begun.headers.get("Location")
    if not address:
        raise UnavailableError(
            f"the registry {repository.registry} began an upload and did not say where",
            hint="inv doctor",
        )
    return address


def _expect_gone(response: urllib3.BaseHTTPResponse, tag: ImageRef) -> None:
    if response.status not in (202, 404):
        raise _failed(response, f"removing {tag}")


def _expect(response: urllib3.BaseHTTPResponse, status: int, doing: str) -> None:
    if response.status != status:
        raise _failed(response, doing)


def _failed(response: urllib3.BaseHTTPResponse, doing: str) -> UnavailableError:
    answer = response.data[:300].decode(errors="replace").strip()
    return UnavailableError(
        f"{doing}: the registry answered {response.status} {answer}", hint="inv doctor"
    )
