"""Manifests: the media types, and what is read from their bytes."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any

from buildonce.refs import Digest, ImageRef, digest_of, parse_digest

PLAIN_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
ACCEPT = ", ".join((*PLAIN_MANIFESTS, *_INDEXES))
EMPTY = b"{}"
"""The OCI image specification's empty descriptor names these bytes (1.1, "Manifest")."""


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

    @property
    def size(self) -> int:
        """The layers' size in bytes, as the registry keeps them."""
        return sum(layer["size"] for layer in self._document()["layers"])

    def _document(self) -> Any:
        return json.loads(self.content)


def placeholder() -> bytes:
    """Return a manifest like no other, of an image without content (``EMPTY``)."""
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "size": len(EMPTY)}
    descriptor = {**empty, "digest": digest_of(EMPTY)}
    document = {
        "schemaVersion": 2,
        "mediaType": PLAIN_MANIFESTS[0],
        "config": descriptor,
        "layers": [descriptor],
        "annotations": {"buildonce.removed": secrets.token_hex(16)},
    }
    return json.dumps(document).encode()
