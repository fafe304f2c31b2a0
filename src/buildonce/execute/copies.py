"""The step that brings images into the registry that an environment pulls from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

from buildonce.errors import IntegrityError
from buildonce.execute.ports import Copier, Images, Progress
from buildonce.execute.repositories import Repositories
from buildonce.execute.run import Run
from buildonce.parallel import run_all
from buildonce.plan.steps import Copy, CopyImages
from buildonce.registry import family_of

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
        copier = self.copier()
        sizes = dict(zip(copies, run_all(self._size, copies), strict=True))
        tally = _Tally(sum(sizes.values()), len(copies))
        run_all(partial(self._copy_one, copier, tally, sizes), copies, AT_ONCE)

    def _copy_one(self, copier: Copier, tally: _Tally, sizes: dict[Copy, int], copy: Copy) -> None:
        copier.copy(copy.source, copy.tag)
        found = self.images.settled(copy.tag, copy.digest)
        if found != copy.digest:
            raise IntegrityError(
                f"{copy.source} was copied, but {copy.tag} names {found or 'nothing'}",
                hint="somebody else writes this tag, or the registry changes what it is given",
            )
        self.progress.log(tally.add(copy, sizes[copy]))

    def _size(self, copy: Copy) -> int:
        family = family_of(self.images.manifest, copy.source)
        return sum(manifest.size for manifest in family if manifest.is_plain)


def _megabytes(octets: int) -> str:
    return f"{octets / 1e6:.1f}"
