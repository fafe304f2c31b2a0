"""Where the ledger's branch lives, and the compare-and-swap that moves it.

``git push --force-with-lease=REF:OLD`` and ``git update-ref REF NEW OLD`` are real
compare-and-swaps; registries have none.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from buildonce.errors import IntegrityError, UnavailableError
from buildonce.git import Git, unreachable

_TRIES = 5


class Branch(Protocol):
    """A branch that only moves by compare-and-swap."""

    @property
    def git(self) -> Git:
        """The clone that has the branch's objects."""
        ...

    def tip(self) -> str | None:
        """Return the commit that the branch is at, present in the clone, or None."""
        ...

    def move(self, old: str | None, new: str) -> bool:
        """Move the branch from ``old`` to ``new``; False where it was not at ``old``."""
        ...

    def deepen(self, commits: int) -> bool:
        """Have the latest ``commits`` of the branch in the clone; tell whether older are not."""
        ...


@dataclass(frozen=True)
class LocalBranch:
    """A branch of the clone itself, for repositories without a remote."""

    git: Git
    name: str

    def tip(self) -> str | None:
        """Return the branch's commit, or None."""
        found = self.git.attempt("rev-parse", "--verify", "--quiet", f"refs/heads/{self.name}")
        return found.stdout.decode().strip() or None

    def move(self, old: str | None, new: str) -> bool:
        """Move the branch.

        Raises:
            UnavailableError: git could not write the ref although it was at ``old``.
        """
        for attempt in range(_TRIES):
            expected = old or "0" * len(new)
            moved = self.git.attempt("update-ref", f"refs/heads/{self.name}", new, expected)
            tip = self.tip()
            if moved.returncode == 0 or tip == new:
                return True
            if tip != old:
                return False
            _back_off(attempt)
        said = moved.stderr.decode(errors="replace").strip()
        raise UnavailableError(
            f"the ledger could not be written in {self.git.root}: {said}",
            hint="check the disk and the permissions of the repository",
        )

    def deepen(self, _commits: int) -> bool:
        """Return False: a clone has the whole history of its own branches."""
        return False


@dataclass(frozen=True)
class RemoteBranch:
    """A branch of a remote; the clone keeps what it fetched at ``refs/buildonce/NAME``."""

    git: Git
    name: str
    remote: str

    @property
    def _ref(self) -> str:
        return f"refs/heads/{self.name}"

    @property
    def _fetched(self) -> str:
        return f"refs/buildonce/{self.name}"

    def tip(self) -> str | None:
        """Return the remote branch's commit, fetched as far as needed.

        A branch that only this clone has (from before there was a remote) is the beginning.

        Raises:
            UnavailableError: the remote did not answer.
            IntegrityError: the branch was rewritten, or removed, since it was last seen.
        """
        tip, seen = self._remote_tip(), self._seen()
        if tip is None and seen is None:
            return LocalBranch(self.git, self.name).tip()
        if tip is None:
            raise self._removed()
        if tip != seen:
            extent = ["--depth=1"] if seen is None and self.git.is_shallow() else []
            self._fetch(tip, *extent)
        return tip

    def move(self, old: str | None, new: str) -> bool:
        """Push ``new`` where the remote's branch is at ``old``.

        A refusal is told from a lost race, and a lost answer from a lost write, by asking
        the remote where its branch is now.

        Raises:
            UnavailableError: the remote refuses the push, or does not answer.
        """
        expected = old
        for attempt in range(_TRIES):
            lease = f"--force-with-lease={self._ref}:{expected or ''}"
            pushed = self.git.attempt(
                "push", "--no-verify", "--quiet", "--no-signed", "--recurse-submodules=no",
                lease, self.remote, f"{new}:{self._ref}",
            )  # fmt: skip
            if pushed.returncode == 0:
                self.git.attempt("update-ref", self._fetched, new)
                return True
            tip = self._remote_tip()
            if tip == new:
                return True
            if tip not in (None, old):
                return False
            expected = tip
            _back_off(attempt)
        raise unreachable(self.remote, pushed.stderr.decode(errors="replace").strip())

    def deepen(self, commits: int) -> bool:
        """Fetch more of the branch's history, where the clone is shallow.

        Raises:
            UnavailableError: the remote did not answer.
        """
        if not self.git.is_shallow():
            return False
        said = self._fetch_to(f"--depth={commits}")
        there = int(self.git.text("rev-list", "--count", self._fetched))
        if there < commits and said:
            raise unreachable(self.remote, said)
        return there >= commits

    def _remote_tip(self) -> str | None:
        listed = self.git.attempt("ls-remote", "--quiet", self.remote, self._ref)
        if listed.returncode != 0:
            raise unreachable(self.remote, listed.stderr.decode(errors="replace").strip())
        return listed.stdout.decode().split("\t")[0].strip() or None

    def _seen(self) -> str | None:
        seen = self.git.attempt("rev-parse", "--verify", "--quiet", self._fetched)
        return seen.stdout.decode().strip() or None

    def _has(self, commit: str) -> bool:
        return self.git.attempt("cat-file", "-e", f"{commit}^{{tree}}").returncode == 0

    def _fetch(self, tip: str, *extent: str) -> None:
        for attempt in range(_TRIES):
            said = self._fetch_to(*extent)
            if "non-fast-forward" in said:
                raise self._rewritten()
            if self._has(tip):
                return
            _back_off(attempt)
        raise unreachable(self.remote, said)

    def _fetch_to(self, *extent: str) -> str:
        refspec = f"{'+' if extent else ''}{self._ref}:{self._fetched}"
        fetched = self.git.attempt(
            "-c", "gc.auto=0", "fetch", "--no-tags", "--no-write-fetch-head",
            "--no-recurse-submodules", "--refmap=", *extent, self.remote, refspec,
        )  # fmt: skip
        return fetched.stderr.decode(errors="replace").strip()

    def _rewritten(self) -> IntegrityError:
        return IntegrityError(
            f"the history of {self.remote}/{self.name} was rewritten: what this clone has seen "
            "of the ledger is no longer part of it",
            hint=f"compare: git log {self._fetched} and git ls-remote {self.remote} {self._ref}; "
            f"to accept the new history: git update-ref -d {self._fetched}",
        )

    def _removed(self) -> IntegrityError:
        return IntegrityError(
            f"{self.remote}/{self.name}, the ledger, was removed; this clone still has it",
            hint=f"to bring it back: git push {self.remote} {self._fetched}:{self._ref}; "
            f"to begin a new one: git update-ref -d {self._fetched}",
        )


def open_branch(git: Git, name: str, remote: str) -> Branch:
    """Return the branch at ``remote``, or the clone's own where there is no such remote."""
    if not git.has_remote(remote):
        return LocalBranch(git, name)
    return RemoteBranch(git, name, remote)


def _back_off(attempt: int) -> None:
    time.sleep(0.05 * 2**attempt)
