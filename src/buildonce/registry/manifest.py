"""Manifests: the media types, and what is read from their bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from typing import Any

from buildonce.errors import IntegrityError
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

DAMAGED = (
    "this image is damaged in the registry; to build it again: "
    "inv build --sha COMMIT --fresh --reason TEXT"
)
"""What to do where a part of an image is missing."""


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
        return parse_digest(self._part("config", "digest"))

    @property
    def layers(self) -> tuple[Digest, ...]:
        """The digests of the layers, the lowest first."""
        return tuple(parse_digest(digest) for digest in self._of_layers("digest"))

    @property
    def size(self) -> int:
        """The layers' size in bytes, as the registry keeps them."""
        return sum(self._of_layers("size"))

    @property
    def blobs(self) -> dict[Digest, int]:
        """The size in bytes of each blob of a plain manifest: its configuration and layers."""
        sizes = zip(self.layers, self._of_layers("size"), strict=True)
        return {self.config: int(self._part("config", "size")), **dict(sizes)}

    @property
    def named(self) -> dict[Digest, str]:
        """The media type of each manifest that an index names; none of a plain one."""
        if self.media_type not in _INDEXES:
            return {}
        return {
            parse_digest(self._part("manifests", number, "digest")): str(
                self._part("manifests", number, "mediaType")
            )
            for number in range(len(self._part("manifests")))
        }

    @property
    def platforms(self) -> dict[str, Digest]:
        """The manifest of each platform that an index names (OCI image specification 1.1)."""
        found = {}
        for number, digest in enumerate(self.named):
            parts = self._part("manifests", number).get("platform") or {}
            words = (parts.get("os"), parts.get("architecture"), parts.get("variant"))
            found["/".join(filter(None, words))] = digest
        return found

    def _of_layers(self, field: str) -> list[Any]:
        return [self._part("layers", number, field) for number in range(len(self._part("layers")))]

    def _part(self, *path: str | int) -> Any:
        """Return a part of the document.

        Raises:
            IntegrityError: the bytes are no such document.
        """
        try:
            return reduce(getitem, path, json.loads(self.content))
        except (ValueError, LookupError, TypeError):
            raise IntegrityError(
                f"{self.ref} ({self.digest}) is not an image manifest",
                hint="do not use this registry until you know why",
            ) from None


def family_of(read: Callable[[ImageRef], Manifest | None], ref: ImageRef) -> list[Manifest]:
    """Return what ``ref`` names and, of an index, all that it names; nothing if it is gone.

    Raises:
        IntegrityError: a manifest that the index names is missing.
    """
    manifest = read(ref)
    if manifest is None:
        return []
    family = [manifest]
    for digest in manifest.named:
        child = read(ref.repository.at(digest))
        if child is None:
            raise IntegrityError(
                f"{ref} names {digest}, which is not in the registry",
                hint=DAMAGED,
            )
        family.append(child)
    return family
