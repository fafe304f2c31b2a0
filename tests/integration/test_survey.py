"""The repository as `inv init` sees it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest import mock

import pytest

import lab
from buildonce.adopt.survey import Survey, survey
from buildonce.git.repository import Git
from tests.kit.monorepo import Monorepo


@pytest.fixture
def repo(running: lab.Lab, env: Mapping[str, str], tmp_path: Path) -> Iterator[Monorepo]:
    """A repository of two files, one of which is gone from the folder."""
    made = Monorepo(tmp_path / "clone", tmp_path / "origin.git", running.registry, "shop", env)
    made.begin({"web/Dockerfile": "FROM scratch\n", "gone.txt": "", ".gitignore": "*.log\n"})
    (made.root / "gone.txt").unlink()
    with mock.patch.dict(os.environ, env, clear=True):
        yield made


def seen(repo: Monorepo) -> Survey:
    return survey(Git(repo.root))


def test_files_are_those_that_a_commit_would_have(repo: Monorepo) -> None:
    """New ones are among them; ignored ones and those that were removed are not."""
    repo.write({"new.txt": "", "build.log": ""})
    assert seen(repo).files == (".gitignore", "new.txt", "web/Dockerfile")


def test_the_address_is_a_remotes(repo: Monorepo) -> None:
    """It is origin's, else that of the only one there is; a folder or no remote has none."""
    assert (seen(repo).remote, seen(repo).address) == ("origin", "")
    repo.git("remote", "add", "backup", "https://git.example/acme/backup.git")
    assert (seen(repo).remote, seen(repo).address) == ("origin", "")
    repo.git("remote", "remove", "origin")
    assert seen(repo).remote == "backup"
    assert seen(repo).address == "https://git.example/acme/backup"
    repo.git("remote", "remove", "backup")
    assert (seen(repo).remote, seen(repo).address) == ("", "")
