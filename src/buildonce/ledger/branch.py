"""Where the ledger's branch lives, and the compare-and-swap that moves it.

``git push --force-with-lease=REF:OLD`` and ``git update-ref REF NEW OLD`` are real
compare-and-swaps; registries have none.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from buildonce.errors import IntegrityError, PreconditionError, UnavailableError
from buildonce.git.process import complaint
from buildonce.git.remotes import may_pass, unreachable, unwritable
from buildonce.git.repository import Git

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
        raise UnavailableError(
            f"the ledger could not be written in {self.git.root}: {complaint(moved)}",
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
            complaint = self._push(expected, new)
            if not complaint:
                self.git.attempt("update-ref", self._fetched, new)
                return True
            tip = self._remote_tip()
            if tip == new:
                return True
            if tip not in (None, old) or (tip is None and self._seen()):
                return False
            expected = tip
            _back_off(attempt)
        raise unwritable(self.remote, self.name, complaint)

    def deepen(self, commits: int) -> bool:
        """Fetch more of the branch's history, where the clone is shallow.

        Raises:
            UnavailableError: the remote did not answer.
        """
        if not self.git.is_shallow():
            return False
        complaint = self._fetch_to(f"--depth={commits}")
        known = int(self.git.text("rev-list", "--count", self._fetched))
        if known < commits and complaint:
            raise unreachable(self.remote, complaint)
        return known >= commits

    def _push(self, old: str | None, new: str) -> str:
        """Push, and return why that failed; empty where it did not."""
        lease = f"--force-with-lease={self._ref}:{old or ''}"
        try:
            pushed = self.git.attempt_at(
                self.remote, "push", "--no-verify", "--quiet", "--no-signed",
                "--recurse-submodules=no", lease, self.remote, f"{new}:{self._ref}",
            )  # fmt: skip
        except UnavailableError:
            if self._remote_tip() == new:
                return ""
            raise
        return (complaint(pushed) or "no reason given") if pushed.returncode else ""

    def _remote_tip(self) -> str | None:
        for attempt in range(_TRIES):
            listed = self.git.attempt_at(
                self.remote, "ls-remote", "--quiet", self.remote, self._ref
            )
            if listed.returncode == 0:
                return listed.stdout.decode().split("\t")[0].strip() or None
            if not may_pass(complaint(listed)):
                break
            _back_off(attempt)
        raise unreachable(self.remote, complaint(listed))

    def _seen(self) -> str | None:
        seen = self.git.attempt("rev-parse", "--verify", "--quiet", self._fetched)
        return seen.stdout.decode().strip() or None

    def _has(self, commit: str) -> bool:
        return self.git.attempt("cat-file", "-e", f"{commit}^{{tree}}").returncode == 0

    def _fetch(self, tip: str, *extent: str) -> None:
        for attempt in range(_TRIES):
            complaint = self._fetch_to(*extent)
            if "non-fast-forward" in complaint and not self._was_overtaken(tip):
                raise self._rewritten()
            if self._has(tip):
                return
            _back_off(attempt)
        raise unreachable(self.remote, complaint)

    def _was_overtaken(self, tip: str) -> bool:
        """Tell whether this clone has seen, by another process, what came after ``tip``."""
        ancestry = self.git.attempt("merge-base", "--is-ancestor", tip, self._fetched)
        return ancestry.returncode == 0 and self._remote_tip() != tip

    def _fetch_to(self, *extent: str) -> str:
        refspec = f"{'+' if extent else ''}{self._ref}:{self._fetched}"
        fetched = self.git.attempt_at(
            self.remote, "-c", "gc.auto=0", "fetch", "--no-tags", "--no-write-fetch-head",
            "--no-recurse-submodules", "--refmap=", *extent, self.remote, refspec,
        )  # fmt: skip
        return complaint(fetched)

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
    """Return the branch at ``remote``, or the clone's own where it has no remote at all.

    Raises:
        PreconditionError: it has remotes, and ``remote`` is none of them; or git cannot use it.
    """
    remotes = git.remotes()
    if not remotes:
        return LocalBranch(git, name)
    if remote not in remotes:
        raise PreconditionError(
            f"the ledger belongs to the git remote {remote!r}, and {git.root} has "
            f"{', '.join(remotes)}",
            hint=f'set ledger_remote = "{remotes[0]}" in [tool.buildonce], or: '
            f"git remote rename {remotes[0]} {remote}",
        )
    return RemoteBranch(git, name, remote)


def _back_off(attempt: int) -> None:
    time.sleep(0.05 * 2**attempt)
