"""Git that is not there, and that does not know who acts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildonce.errors import PreconditionError
from buildonce.git.repository import Git

pytestmark = [
    pytest.mark.stand_in,
    pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script"),
]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder in which programs are looked for."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_without_git_its_absence_is_told(programs: Path) -> None:
    """A machine without git is told what to install, by whatever asks git first."""
    with pytest.raises(PreconditionError, match=f"git cannot be run in {programs}") as caught:
        Git(programs).is_shallow()
    assert "install git" in caught.value.hint


@pytest.mark.parametrize(("user", "known"), [("dana", "dana"), ("", "unknown")])
def test_who_is_unknown_to_git_is_known_by_the_machine(
    programs: Path, monkeypatch: pytest.MonkeyPatch, user: str, known: str
) -> None:
    """Without a name and an address in git's configuration, the machine's own user acts."""
    monkeypatch.setenv("USER", user)
    (programs / "git").write_text("#!/bin/sh\nexit 128\n")
    (programs / "git").chmod(0o755)
    assert Git(programs).identity() == f"{known} <{known}@localhost>"
