"""Appending to the ledger where what was seen last may be out of date."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from buildonce.errors import BusyError, IntegrityError
from buildonce.git.repository import Git
from buildonce.ledger.branch import RemoteBranch
from buildonce.ledger.snapshot import Event, Snapshot
from buildonce.ledger.store import Ledger
from tests.kit.monorepo import LEDGER, NOBODYS_GIT


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Ledger]:
    """Makes clones, each with a ledger at the same remote."""
    for name, value in NOBODYS_GIT.items():
        monkeypatch.setenv(name, value)
    origin = tmp_path / "origin.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(origin)], check=True)
    clones = (tmp_path / f"clone{number}" for number in range(9))

    def made() -> Ledger:
        clone = next(clones)
        subprocess.run(["git", "clone", "--quiet", str(origin), str(clone)], check=True)
        return Ledger(RemoteBranch(Git(clone), LEDGER, "origin"))

    return made


def note(name: str) -> Callable[[Snapshot], Event]:
    """An event that adds one file."""
    return lambda _: Event(f"add {name}", (), {f"notes/{name}.json": name})


def only_first(name: str) -> Callable[[Snapshot], Event]:
    """An event that is refused where there is any other."""

    def event(snapshot: Snapshot) -> Event:
        if snapshot.names("notes"):
            raise BusyError("taken")
        return note(name)(snapshot)

    return event


def test_nobody_is_asked_where_nobody_else_wrote(
    reader: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read, or written last, is built upon without another look at the remote."""
    ledger = reader()
    ledger.read()
    monkeypatch.setattr(RemoteBranch, "tip", lambda _: pytest.fail("the remote was asked"))
    ledger.append(note("one"))
    assert ledger.append(note("two")).names("notes") == ["one", "two"]


def test_what_others_wrote_meanwhile_is_kept(reader: Callable[[], Ledger]) -> None:
    """An append to an outdated state is made again upon the present one."""
    ours, theirs = reader(), reader()
    ours.read()
    theirs.append(note("theirs"))
    assert ours.append(note("ours")).names("notes") == ["ours", "theirs"]


def test_an_outdated_state_does_not_allow(reader: Callable[[], Ledger]) -> None:
    """What was allowed when last seen, and no longer is, is refused."""
    ours, theirs = reader(), reader()
    ours.read()
    theirs.append(note("theirs"))
    with pytest.raises(BusyError):
        ours.append(only_first("ours"))


def test_an_outdated_state_does_not_refuse(reader: Callable[[], Ledger]) -> None:
    """What was refused when last seen, and no longer is, is done."""
    ours, theirs = reader(), reader()
    theirs.append(note("theirs"))
    ours.read()
    theirs.append(lambda _: Event("remove it", (), {"notes/theirs.json": None}))
    assert ours.append(only_first("ours")).names("notes") == ["ours"]


def test_a_ledger_that_is_removed_meanwhile_stays_so(reader: Callable[[], Ledger]) -> None:
    """It is not begun anew out of what one clone has seen of it."""
    ours, theirs = reader(), reader()
    theirs.append(note("theirs"))
    ours.read()
    theirs.branch.git.run("push", "--quiet", "origin", f":refs/heads/{LEDGER}")
    with pytest.raises(IntegrityError, match="was removed"):
        ours.append(note("ours"))


def test_what_was_just_written_can_be_read(reader: Callable[[], Ledger]) -> None:
    """The state after an event has its files, new, changed and removed, without reading them."""
    ledger = reader()
    ledger.append(note("one"))
    after = ledger.append(
        lambda _: Event("turn", (), {"notes/one.json": None, "deployments/staging.yaml": "two"})
    )
    assert after.has_deployment("staging")
    assert after.names("notes") == []


def test_an_event_of_many_files_starts_no_more_processes(
    reader: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first build of a hundred services writes a hundred records."""
    commands: list[str] = []
    attempt = Git.attempt

    def counted(git: Git, *arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        commands.append(arguments[0])
        return attempt(git, *arguments, **options)

    ledger = reader()
    ledger.append(note("first"))
    monkeypatch.setattr(Git, "attempt", counted)
    files = {f"notes/{number}.json": str(number) for number in range(100)}
    ledger.append(lambda _: Event("add many", (), files))
    assert commands.count("hash-object") == 1
    assert len(ledger.read().names("notes")) == 101
