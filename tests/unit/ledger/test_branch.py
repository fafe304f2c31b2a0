"""A ledger on a branch of the clone itself, as git's answers leave it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, cast

import pytest

from buildonce.errors import UnavailableError
from buildonce.ledger.branch import LocalBranch

OLD, NEW, OTHER = ("a" * 40, "b" * 40, "c" * 40)


@dataclass
class Refs:
    """Stands in for git: the answers to `update-ref`, and what the branch is at after each."""

    answers: list[tuple[int, str]]
    root: Path = Path("/clone")
    asked: list[tuple[str, ...]] = field(default_factory=list)
    at: str = ""

    def attempt(self, *arguments: str) -> CompletedProcess[bytes]:
        if arguments[0] == "rev-parse":
            return CompletedProcess(arguments, 0 if self.at else 1, f"{self.at}\n".encode(), b"")
        self.asked.append(arguments)
        code, self.at = self.answers.pop(0)
        return CompletedProcess(arguments, code, b"", b"fatal: the disk is full")


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of each wait, none of which is waited."""
    seconds: list[float] = []
    monkeypatch.setattr("time.sleep", seconds.append)
    return seconds


@pytest.mark.parametrize(
    ("answers", "moved"),
    [
        ([(0, NEW)], True),
        ([(1, NEW)], True),
        ([(1, OTHER)], False),
        ([(1, OLD), (0, NEW)], True),
        ([(1, OLD), (1, OTHER)], False),
    ],
    ids=["at once", "by an answer that was lost", "by somebody else", "later", "too late"],
)
def test_a_branch_moves_from_where_it_was(answers: list[tuple[int, str]], moved: bool) -> None:
    """Git is asked again where nothing moved it, and never where somebody else did."""
    git = Refs(answers)
    assert LocalBranch(cast("Any", git), "ledger").move(OLD, NEW) is moved
    assert set(git.asked) == {("update-ref", "refs/heads/ledger", NEW, OLD)}
    assert git.answers == []


def test_a_branch_begins_where_there_is_none() -> None:
    """What git expects of a new branch is an id of zeros."""
    git = Refs([(0, NEW)])
    assert LocalBranch(cast("Any", git), "ledger").move(None, NEW)
    assert git.asked == [("update-ref", "refs/heads/ledger", NEW, "0" * 40)]


def test_a_branch_that_cannot_be_written_is_told(waits: list[float]) -> None:
    """After some tries, with longer and longer waits between them, git's own words are said."""
    git = Refs([(1, OLD)] * 9)
    with pytest.raises(
        UnavailableError, match=r"the ledger could not be written in .*: fatal: the disk is full"
    ) as caught:
        LocalBranch(cast("Any", git), "ledger").move(OLD, NEW)
    assert "check the disk" in caught.value.hint
    assert len(waits) > 1
    assert waits == sorted(waits)


def test_the_history_of_a_clone_is_whole() -> None:
    """There is nothing more to fetch of the clone's own branch."""
    assert LocalBranch(cast("Any", Refs([])), "ledger").deepen(100) is False


@pytest.mark.parametrize(("at", "tip"), [(OLD, OLD), ("", None)])
def test_the_tip_is_a_commit_or_nothing(at: str, tip: str | None) -> None:
    """A branch that is not there has no commit."""
    assert LocalBranch(cast("Any", Refs([], at=at)), "ledger").tip() == tip
