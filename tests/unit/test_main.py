"""`buildonce`, the program: its one command, and what it says to whoever wants another."""

from __future__ import annotations

import sys
from unittest import mock

import pytest

from buildonce.__main__ import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["status", "--all"], "else  inv status --all"),
        ([], "else  inv --list"),
        (["init", "--force"], "init does not know --force"),
        (["init", "--yes", "here"], "init does not know here"),
    ],
)
def test_what_is_no_init_is_told_what_to_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """Who tries another command learns that it is Invoke's, in words of ours, and exit 2."""
    monkeypatch.setattr(sys, "argv", ["buildonce", *words])
    assert main() == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.startswith("✗ ")
    assert "usage:" not in err


def test_a_folder_that_cannot_be_read_is_an_error_of_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the operating system refuses is told with the file's name and exit 6."""
    refusal = PermissionError(13, "Permission denied", "pyproject.toml")
    monkeypatch.setattr(sys, "argv", ["buildonce", "init"])
    monkeypatch.setattr("buildonce.commands.init.init", mock.Mock(side_effect=refusal))
    assert main() == 6
    assert "Permission denied (pyproject.toml)" in capsys.readouterr().err
