"""Git where it need not be asked."""

from __future__ import annotations

from pathlib import Path

from buildonce.git.repository import Git


def test_without_branches_nothing_is_asked() -> None:
    """Where no branch is prescribed, no process is started to look for one."""
    assert Git(Path("/nowhere")).is_on("a" * 40, (), "origin") is None
