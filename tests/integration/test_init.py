"""`inv init`: what is shown, what is asked, and what is written."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest import mock

import pytest

import lab
from buildonce.commands.init import init
from buildonce.errors import PreconditionError, UnavailableError
from tests.kit.foreign import UV_WORKSPACE
from tests.kit.in_process import Heard
from tests.kit.monorepo import Monorepo

NEW, GROWN = "tasks.py", "pyproject.toml"


class Terminal(io.StringIO):
    """A stream that a person sits at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def found(running: lab.Lab, env: Mapping[str, str], tmp_path: Path) -> Iterator[Monorepo]:
    """A repository that never heard of the library, and has a pyproject.toml."""
    repo = Monorepo(tmp_path / "clone", tmp_path / "origin.git", running.registry, "shop", env)
    repo.begin(UV_WORKSPACE)
    with mock.patch.dict(os.environ, env, clear=True):
        yield repo


def sit_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a person at the terminal."""
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(sys, "stdout", Terminal())


def nobody(_: str) -> str:
    pytest.fail("nobody is there to be asked")


def proposed(repo: Monorepo, answer: str | None = None, *, yes: bool = False) -> str:
    """What is shown, where a person answers so."""
    report = Heard()
    init(repo.root, yes=yes, report=report, ask=nobody if answer is None else lambda _: answer)
    return report.text


def test_what_is_proposed_is_shown_and_not_written_unasked(found: Monorepo) -> None:
    """Services, files and decisions; without a terminal nobody is asked, and nothing written."""
    said = proposed(found)
    assert "billing_api" in said
    assert f"\n{GROWN} (added at its end):\n" in said
    assert f"\n{NEW}:\n" in said
    assert "    [tool.buildonce.services.billing_api]" in said
    assert "left to decide:\n  1. " in said
    assert said.endswith("nothing was written; to write it: buildonce init --yes\n")
    assert found.git("status", "--porcelain") == ""


@pytest.mark.parametrize(("answer", "written"), [("y", True), (" YES ", True), ("", False)])
def test_a_person_is_asked(
    found: Monorepo, monkeypatch: pytest.MonkeyPatch, answer: str, written: bool
) -> None:
    """Only a yes is one."""
    sit_down(monkeypatch)
    said = proposed(found, answer)
    assert (f"wrote {NEW}" in said) is written
    assert (found.root / NEW).exists() is written


@pytest.mark.parametrize("here", ["stdin", "stdout"])
def test_half_a_terminal_is_none(
    found: Monorepo, monkeypatch: pytest.MonkeyPatch, here: str
) -> None:
    """Where either end is a pipe nobody is asked."""
    monkeypatch.setattr(sys, here, Terminal())
    assert "nothing was written" in proposed(found)


def test_a_file_that_is_there_grows(found: Monorepo) -> None:
    """It keeps every byte; others are new, and the next steps are told."""
    before = (found.root / GROWN).read_text()
    said = proposed(found, yes=True)
    assert f"added to {GROWN}\nwrote {NEW}\nnext: commit these files" in said
    assert (found.root / GROWN).read_text().startswith(f"{before}\n\n[tool.buildonce]")
    assert "release_tasks(__file__)" in (found.root / NEW).read_text()
    with pytest.raises(PreconditionError, match=r"has a .* table already"):
        proposed(found, yes=True)


def test_a_file_that_appeared_meanwhile_stays(
    found: Monorepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the question and its answer somebody else may have written one."""
    sit_down(monkeypatch)

    def meanwhile(_: str) -> str:
        (found.root / NEW).write_text("# ours\n")
        return "y"

    with pytest.raises(UnavailableError, match=r"tasks\.py appeared meanwhile"):
        init(found.root, yes=False, report=Heard(), ask=meanwhile)
    assert (found.root / NEW).read_text() == "# ours\n"
