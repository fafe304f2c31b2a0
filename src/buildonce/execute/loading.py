"""The steps that bring an archive's release into a registry and the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from buildonce.errors import PreconditionError
from buildonce.execute.ports import Progress, Uploads
from buildonce.execute.repositories import Repositories
from buildonce.execute.run import Run
from buildonce.ledger import releases
from buildonce.ledger.store import Ledger
from buildonce.parallel import run_all
from buildonce.plan.steps import LoadImage, RecordLoaded
from buildonce.refs import Digest
from buildonce.registry import Manifest

AT_ONCE = 4
"""Blobs that are uploaded at the same time."""


@dataclass(frozen=True)
class Loading:
    """Uploads what an archive has and the registry lacks, and records the release."""

    ledger: Ledger
    images: Uploads
    repositories: Repositories
    progress: Progress

    def load_image(self, step: LoadImage, run: Run) -> Run:
        """Upload an image's blobs and manifests, and read its tag back.

        Raises:
            PreconditionError: a part of it is neither in the archive nor in the registry.
            IntegrityError: the archive is damaged, or the tag names other bytes afterwards.
        """
        family = step.archive.family(step.tag.repository, step.digest)
        self.repositories.ensure([step.tag.repository])
        blobs = {digest: None for one in family if one.is_plain for digest in one.blobs}
        run_all(lambda digest: self._upload(step, digest), blobs, AT_ONCE)
        top, *children = family
        for child in children:
            self._put(child)
        self.images.tag(step.tag, top)
        return run

    def record(self, step: RecordLoaded, run: Run) -> Run:
        """Write the release into the ledger, with the bundles that it brought."""
        self.ledger.append(
            lambda snapshot: releases.loaded(snapshot, step.release, step.images, step.bundles)
        )
        return run

    def _put(self, manifest: Manifest) -> None:
        self.images.put_manifest(manifest.ref, manifest.content, manifest.media_type)

    def _upload(self, step: LoadImage, digest: Digest) -> None:
        repository = step.tag.repository
        if self.images.has_blob(repository, digest):
            return
        if not step.archive.has(digest):
            since = step.archive.record.since
            raise PreconditionError(
                f"{repository} lacks {digest}, and the archive has only what is new since {since}",
                hint=f"load the archive of {since} first",
            )
        with step.archive.blob(digest) as (file, size):
            self.images.write_blob(repository, digest, file, size)
        self.progress.log(f"{repository}: {digest} ({size / 1e6:.1f} MB)")
