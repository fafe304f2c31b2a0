"""Images in registries: what tags name, what images say of themselves, and moving tags."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection

from buildonce.errors import IntegrityError, UnavailableError
from buildonce.refs import Digest, ImageRef, Repository
from buildonce.registry import removal
from buildonce.registry.api import Api
from buildonce.registry.manifest import DAMAGED, Manifest, family_of

LAG = (0.2, 0.5, 1.0, 2.0)
"""Seconds between looks at a tag that was just written, until it must name what was written."""

_REVISION_LABEL = "org.opencontainers.image.revision"


class Registry(Api):
    """Reads, writes and removes images. Safe to use from several threads."""

    def __init__(
        self, *, insecure: Collection[str] = (), notice: Callable[[str], None] | None = None
    ) -> None:
        """Begin without a connection, as ``Api``."""
        super().__init__(insecure=insecure, notice=notice)
        self._by_digest: dict[ImageRef, Manifest] = {}

    def manifest(self, ref: ImageRef) -> Manifest | None:
        """Return what a tag or digest names, or None where there is nothing."""
        found = super().manifest(ref)
        if found and ref.by_digest:
            self._by_digest[ref] = found
        return found

    def digest(self, ref: ImageRef) -> Digest | None:
        """Return the digest of what ``ref`` names, hashed here, or None."""
        manifest = self.manifest(ref)
        return manifest.digest if manifest else None

    def family(self, ref: ImageRef) -> list[Manifest]:
        """Return what ``ref`` names and, of an index, all that it names (``family_of``)."""
        return family_of(self.manifest, ref)

    def labels(self, manifest: Manifest) -> dict[str, str]:
        """Return the labels of an image, from a configuration whose bytes were hashed.

        Raises:
            IntegrityError: the configuration is missing.
        """
        content = self.blob(manifest.ref.repository, manifest.config)
        if content is None:
            raise IntegrityError(
                f"{manifest.ref}: its configuration {manifest.config} is missing",
                hint=DAMAGED,
            )
        try:
            return dict(json.loads(content).get("config", {}).get("Labels") or {})
        except (ValueError, AttributeError, TypeError):
            raise IntegrityError(
                f"{manifest.ref}: its configuration {manifest.config} is not one of an image",
                hint=DAMAGED,
            ) from None

    def revision(self, manifest: Manifest) -> str | None:
        """Return the commit that an image's label names, or None.

        Of an index, all images must name the same one.
        """
        family = [manifest] if manifest.is_plain else self.family(manifest.ref)
        images = [one for one in family if one.is_plain]
        named = {self.labels(image).get(_REVISION_LABEL) for image in images}
        return named.pop() if len(named) == 1 else None

    def point(self, tag: ImageRef, digest: Digest) -> None:
        """Make ``tag`` name ``digest``: its manifest is put again, byte for byte.

        One that was read by this digest before is not read again: its bytes were hashed.

        Raises:
            IntegrityError: there is no such manifest, or the tag names other bytes afterwards.
        """
        ref = tag.repository.at(digest)
        manifest = self._by_digest.get(ref) or self.manifest(ref)
        if manifest is None:
            raise IntegrityError(
                f"{tag.repository}@{digest} is not in the registry",
                hint="inv verify   (shows what else is missing)",
            )
        self.tag(tag, manifest)

    def tag(self, tag: ImageRef, manifest: Manifest) -> None:
        """Make ``tag`` name a manifest; what it names afterwards is read back and hashed.

        A tag that names it already may refuse to be written: some registries' tags cannot move.

        Raises:
            IntegrityError: the tag names other bytes afterwards.
        """
        try:
            self.put_manifest(tag, manifest.content, manifest.media_type)
        except UnavailableError:
            if self.digest(tag) != manifest.digest:
                raise
            return
        found = self.settled(tag, manifest.digest)
        if found != manifest.digest:
            raise IntegrityError(
                f"{tag} was moved to {manifest.digest} but names {found or 'nothing'}",
                hint="somebody else writes this tag, or the registry lost the write; inv status",
            )

    def settled(self, tag: ImageRef, expected: Digest | None) -> Digest | None:
        """Return what a tag names just after it was written, or removed.

        Registries of several machines may answer for a moment with what it named before.
        """
        found = self.digest(tag)
        for pause in LAG:
            if found == expected:
                break
            time.sleep(pause)
            found = self.digest(tag)
        return found

    def remove_tag(self, tag: ImageRef) -> None:
        """Remove a tag and nothing else (``removal.remove_tag``)."""
        removal.remove_tag(self, tag)

    def require_removal(self, repository: Repository) -> None:
        """See that tags can be removed here (``removal.require_removal``)."""
        removal.require_removal(self, repository)
