"""Creates repositories where a registry wants that before the first push."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from buildonce.errors import UnavailableError
from buildonce.parallel import run_all
from buildonce.refs import Repository
from buildonce.registry import MissingRepositoryError

LIMIT = 60.0
"""Seconds that the command may take for one repository."""


class Writable(Protocol):
    """What tells whether a repository can be pushed to."""

    def require_writable(self, repository: Repository) -> None:
        """Refuse where it cannot."""
        ...


@dataclass(frozen=True)
class Repositories:
    """Creates what is missing by the project's ``command``, run in ``folder``."""

    command: Sequence[str]
    folder: Path
    images: Writable

    def ensure(self, places: Iterable[Repository]) -> None:
        """Create those repositories that the registry says are missing.

        Without a command nothing is asked: most registries create a repository by a push.

        Raises:
            UnavailableError: a repository can neither be pushed to nor created.
        """
        if self.command:
            run_all(self._ensure, dict.fromkeys(places))

    def explain(self, places: Iterable[Repository]) -> None:
        """See, after a push that failed, whether a repository was missing.

        Raises:
            UnavailableError: one cannot be pushed to, and why.
        """
        run_all(self.images.require_writable, dict.fromkeys(places))

    def _ensure(self, place: Repository) -> None:
        try:
            self.images.require_writable(place)
        except MissingRepositoryError:
            self._create(place)
            self.images.require_writable(place)

    def _create(self, place: Repository) -> None:
        words = [
            word.replace("{registry}", place.registry).replace("{path}", place.path)
            for word in self.command
        ]
        try:
            ended = subprocess.run(
                words, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True,
                timeout=LIMIT,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _not_created(place, words[0], str(error)) from None
        if ended.returncode:
            said = ended.stderr.decode(errors="replace").strip().splitlines()
            raise _not_created(place, words[0], said[-1] if said else f"exit {ended.returncode}")


def _not_created(place: Repository, program: str, why: str) -> UnavailableError:
    return UnavailableError(
        f"{place} was not created: {program}: {why}",
        hint="run the command of tool.buildonce.create_repository by hand",
    )
