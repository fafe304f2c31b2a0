"""The deployment files of a release, whose commit may be elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from buildonce.engines.base import Files
from buildonce.errors import PreconditionError
from buildonce.targets import Targets
from tests.kit.in_process import app
from tests.kit.monorepo import Monorepo
from tests.kit.releases import release

COMPOSE = {"staging": {"engine": "compose", "file": "compose.yaml", "project": "shop"}}


def files_of(repo: Monorepo, sha: str) -> Files:
    """The files that an engine gets of a release."""
    there = app(repo, environments=COMPOSE)
    bind: Any = Bound
    targets = Targets(there.project, there.git, bind, bind, bind)
    snapshot = there.ledger.read()
    found = snapshot.release(sha)
    assert found is not None
    bound: Any = targets.bind("staging", found, snapshot)
    files: Files = bound.deployment.files
    return files


class Bound:
    """An engine of which only the deployment matters."""

    def __init__(self, deployment: Any) -> None:
        self.deployment = deployment


@pytest.mark.parametrize("shallow", [False, True])
def test_files_are_those_of_the_releases_own_commit(
    project: Monorepo, tmp_path: Path, shallow: bool
) -> None:
    """A commit that a shallow clone lacks is fetched; no branch moves, and it stays shallow."""
    first = release(project, web="one")
    release(project, web="two")
    options = ["--depth=1"] if shallow else []
    clone = project.clone(tmp_path / "clone", *options)
    root = files_of(clone, first).export(tmp_path / "tree")
    assert (root / "web/web.txt").read_text() == "one"
    assert clone.git("rev-parse", "--is-shallow-repository") == str(shallow).lower()
    assert clone.git("rev-list", "--count", "HEAD") == ("1" if shallow else "3")


def test_a_commit_that_nobody_has_is_told(project: Monorepo, tmp_path: Path) -> None:
    """The release and how to get its commit are named."""
    sha = release(project, web="one")
    revision = project.git("rev-parse", "HEAD")
    project.git("push", "--quiet", "--force", "origin", "HEAD~1:main")
    clone = project.clone(tmp_path / "clone")
    project.git("gc", "--quiet", "--prune=now", cwd=project.origin)
    with pytest.raises(PreconditionError, match=f"commit of release {sha} cannot be read") as told:
        files_of(clone, sha).export(tmp_path / "tree")
    assert told.value.hint == f"git fetch origin {revision}"
