"""The step that brings images into the registry that an environment pulls from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from threading import Lock

from buildonce.errors import IntegrityError
from buildonce.execute.ports import Copier, Images, Progress
from buildonce.execute.repositories import Repositories
from buildonce.execute.run import Run
from buildonce.parallel import run_all
from buildonce.plan.steps import Copy, CopyImages
from buildonce.refs import Digest, Repository
from buildonce.registry import family_of

Blobs = Mapping[Copy, Mapping[Digest, int]]
"""The size in bytes of each blob of each copy."""

AT_ONCE = 4
"""Copies at the same time: each is a process, and one alone may fill the line."""


@dataclass
class _Tally:
    """What of several copies is done, in bytes."""

    total: int
    images: int
    done: int = 0
    finished: int = 0
    lock: Lock = field(default_factory=Lock)

    def add(self, copy: Copy, size: int) -> str:
        """Count a copy that is done; return how far all of them are."""
        with self.lock:
            self.done += size
            self.finished += 1
            return (
                f"{copy.tag}: {_megabytes(size)} MB ({self.finished} of {self.images} images, "
                f"{_megabytes(self.done)} of {_megabytes(self.total)} MB)"
            )


@dataclass
class _Arrived:
    """Which repository has a blob that was copied, by registry and digest."""

    repositories: dict[tuple[str, Digest], Repository] = field(default_factory=dict)

    def add(self, copy: Copy, blobs: Iterable[Digest]) -> None:
        """Count the blobs of a copy that is done."""
        target = copy.tag.repository
        self.repositories.update({(target.registry, digest): target for digest in blobs})

    def elsewhere(self, copy: Copy, blobs: Iterable[Digest]) -> list[tuple[Digest, Repository]]:
        """Return those blobs that are in the registry, and where, but not where a copy goes."""
        target = copy.tag.repository
        found = ((digest, self.repositories.get((target.registry, digest))) for digest in blobs)
        return [(digest, source) for digest, source in found if source and source != target]


@dataclass(frozen=True)
class Copies:
    """Copies images between registries. ``copier`` makes what moves the bytes."""

    images: Images
    repositories: Repositories
    copier: Callable[[], Copier]
    progress: Progress

    def copy_images(self, step: CopyImages, run: Run) -> Run:
        """Copy what is missing, tag what is there, and read every tag back.

        Raises:
            IntegrityError: a tag names other bytes afterwards.
            UnavailableError: a registry does not answer, or refuses.
        """
        run_all(
            lambda copy: self.images.point(copy.tag, copy.digest),
            [copy for copy in step.copies if copy.there],
        )
        self._copy([copy for copy in step.copies if not copy.there])
        return run

    def _copy(self, copies: list[Copy]) -> None:
        if not copies:
            return
        self.repositories.ensure(copy.tag.repository for copy in copies)
        blobs = dict(zip(copies, run_all(self._blobs, copies), strict=True))
        tally = _Tally(sum(sum(sizes.values()) for sizes in blobs.values()), len(copies))
        copy_one = partial(self._copy_one, self.copier(), tally, _Arrived(), blobs)
        for wave in waves(blobs):
            run_all(copy_one, wave, AT_ONCE)

    def _copy_one(
        self, copier: Copier, tally: _Tally, arrived: _Arrived, blobs: Blobs, copy: Copy
    ) -> None:
        self._mount(copy, arrived, blobs)
        copier.copy(copy.source, copy.tag)
        found = self.images.settled(copy.tag, copy.digest)
        if found != copy.digest:
            raise IntegrityError(
                f"{copy.source} was copied, but {copy.tag} names {found or 'nothing'}",
                hint="somebody else writes this tag, or the registry changes what it is given",
            )
        arrived.add(copy, blobs[copy])
        self.progress.log(tally.add(copy, sum(blobs[copy].values())))

    def _mount(self, copy: Copy, arrived: _Arrived, blobs: Blobs) -> None:
        """Spare the copier what another copy has brought, as far as the registry helps."""
        target = copy.tag.repository
        for digest, source in arrived.elsewhere(copy, blobs[copy]):
            if not self.images.mount_blob(target, digest, source):
                return

    def _blobs(self, copy: Copy) -> Mapping[Digest, int]:
        family = family_of(self.images.manifest, copy.source)
        return {
            digest: size
            for manifest in family
            if manifest.is_plain
            for digest, size in manifest.blobs.items()
        }


def waves(blobs: Blobs) -> tuple[list[Copy], list[Copy]]:
    """Return the copies that bring a blob of several first, and then all others."""
    counts = Counter(chain.from_iterable(blobs.values()))
    awaited = {digest for digest, count in counts.items() if count > 1}
    first: list[Copy] = []
    rest: list[Copy] = []
    for copy, sizes in blobs.items():
        (rest if awaited.isdisjoint(sizes) else first).append(copy)
        awaited -= sizes.keys()
    return first, rest


def _megabytes(octets: int) -> str:
    return f"{octets / 1e6:.1f}"
