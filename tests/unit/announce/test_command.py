"""The command of `notify`: it gets the event, and cannot harm the promotion."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from buildonce.announce import command
from buildonce.announce.command import Command
from tests.kit.samples import promotion, release

pytestmark = pytest.mark.stand_in

DONE = promotion(release(1)).model_copy(update={"outcome": "done"})


def notes_of(folder: Path, *words: str) -> list[str]:
    notes: list[str] = []
    Command(words, folder, notes.append)(DONE)
    return notes


def test_it_gets_the_event_on_its_standard_input(tmp_path: Path) -> None:
    """The command runs in the project's folder, with the event as JSON to read."""
    copy = "import sys, pathlib; pathlib.Path('event').write_text(sys.stdin.read())"
    assert notes_of(tmp_path, sys.executable, "-c", copy) == []
    assert json.loads((tmp_path / "event").read_text())["event"] == "done"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((sys.executable, "-c", "raise SystemExit('no webhook')"), "ended with 1: no webhook"),
        (("no-such-program",), "cannot be run"),
        (("with\0null",), "cannot be run"),
    ],
)
def test_what_goes_wrong_is_a_note(tmp_path: Path, words: tuple[str, ...], problem: str) -> None:
    """A command that fails, or is not there, is told of and raises nothing."""
    (note,) = notes_of(tmp_path, *words)
    assert problem in note
    assert f"{DONE.title} is not affected" in note


def test_it_has_a_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that does not end is stopped."""
    monkeypatch.setattr(command, "LIMIT", 0.2)
    lasting = "import threading; threading.Event().wait(20)"
    began = time.monotonic()
    (note,) = notes_of(tmp_path, sys.executable, "-c", lasting)
    assert "was stopped after" in note
    assert time.monotonic() - began < 10


def test_without_a_command_nothing_runs(tmp_path: Path) -> None:
    """`notify` is empty unless somebody sets it."""
    assert notes_of(tmp_path) == []
