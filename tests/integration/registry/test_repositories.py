"""Repositories that must exist before the first push, as Amazon ECR's: a stand-in answers so.

What it answers: docs.aws.amazon.com, "Amazon ECR registry HTTP API", a push to a repository that
does not exist is refused with 404 and NAME_UNKNOWN.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildonce.errors import UnavailableError
from buildonce.execute.repositories import Repositories
from buildonce.refs import Repository
from buildonce.registry import MissingRepositoryError, Registry
from tests.kit.fake_registry import FakeRegistry

WRITE = "import sys; open('created', 'a').write(sys.argv[1] + '\\n'); sys.exit(int(sys.argv[2]))"


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry.serving() as registry:
        registry.repositories = []
        registry.upload_address = "/v2/upload"
        registry.deletions = [204] * 4
        yield registry


def creating(folder: Path, code: int = 0) -> Repositories:
    """What runs a command that writes down the path it is given."""
    command = [sys.executable, "-c", WRITE, "{path}", str(code)]
    return Repositories(command, folder, Registry())


def test_a_missing_repository_is_no_missing_login(fake: FakeRegistry, tmp_path: Path) -> None:
    """The message names the repository and the key, and no login."""
    place = Repository(fake.address, "acme/web")
    with pytest.raises(MissingRepositoryError, match="has no repository acme/web") as missing:
        Registry().require_writable(place)
    assert "create_repository" in missing.value.hint
    Repositories((), tmp_path, Registry()).ensure([place])


def test_what_is_missing_is_created_once(fake: FakeRegistry, tmp_path: Path) -> None:
    """The command runs for the repository that is missing, and for no other."""
    fake.repositories = ["acme/jobs"]
    web, jobs = (Repository(fake.address, f"acme/{name}") for name in ("web", "jobs"))
    with pytest.raises(MissingRepositoryError, match="acme/web"):
        creating(tmp_path).ensure([web, jobs, web])
    assert (tmp_path / "created").read_text().splitlines() == ["acme/web"]


def test_a_command_that_fails_is_named(fake: FakeRegistry, tmp_path: Path) -> None:
    """Exit 6 with the repository and the program, before anything is pushed."""
    with pytest.raises(UnavailableError, match=r"acme/web was not created: .*: exit 3"):
        creating(tmp_path, 3).ensure([Repository(fake.address, "acme/web")])


def test_a_program_that_is_not_there_is_named(fake: FakeRegistry, tmp_path: Path) -> None:
    """A command that cannot be run is said, with the repository it was for."""
    broken = Repositories(["no-such-program"], tmp_path, Registry())
    with pytest.raises(UnavailableError, match="was not created: no-such-program"):
        broken.ensure([Repository(fake.address, "acme/web")])
