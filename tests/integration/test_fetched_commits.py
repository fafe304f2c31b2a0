"""A commit that a clone does not have, fetched from the remote by its id."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildonce.git.repository import Git
from tests.kit.monorepo import Monorepo


@pytest.mark.parametrize("options", [(), ("--depth=1",)], ids=["full", "shallow"])
def test_a_fetched_commit_leaves_history_as_it_was(
    project: Monorepo, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """A full clone is not made shallow, and a shallow one gets that commit alone."""
    clone = project.clone(tmp_path / "clone", *options)
    for text in ("one", "two"):
        project.commit(text, {"web/web.txt": text})
    project.git("push", "--quiet", "origin", "HEAD")
    before, wanted = project.git("rev-parse", "HEAD~1"), project.git("rev-parse", "HEAD")
    git = Git(clone.root)
    git.fetch_commit(wanted, "origin")
    assert git.has_commit(wanted)
    assert git.is_shallow() is bool(options)
    assert git.has_commit(before) is not bool(options)
