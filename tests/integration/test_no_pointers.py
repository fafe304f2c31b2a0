"""Environments without pointers, for registries whose tags cannot move."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from buildonce.app import App
from buildonce.commands.promote import promote
from buildonce.commands.recover import abort, resume
from buildonce.commands.rollback import rollback
from buildonce.commands.status import status
from buildonce.commands.verify import verify
from buildonce.errors import IntegrityError
from buildonce.execute.promotions import Promotions
from tests.kit.in_process import Killed, app, heard
from tests.kit.monorepo import Monorepo
from tests.kit.releases import release

ENVIRONMENTS: Any = {"staging": {"pointers": False}, "production": {"after": "staging"}}


def there(project: Monorepo) -> App:
    return app(project, environments=ENVIRONMENTS)


def test_nothing_but_the_ledger_moves(project: Monorepo) -> None:
    """Promoted, verified and rolled back, an environment leaves no tag with its name."""
    first, second = release(project), release(project, web="changed")
    for sha in (first, second):
        promote(there(project), "staging", sha)
    assert set(project.digests("staging").values()) == {None}
    verify(there(project), ["staging"], each=True, as_json=False)
    rollback(there(project), "staging", None, "")
    assert project.record("environments/staging.json")["release"] == first
    verify(there(project), ["staging"], each=True, as_json=False)
    shown = there(project)
    status(shown, every=True, check=True)
    assert "none" in heard(shown)
    assert set(project.digests("staging").values()) == {None}


def test_the_next_environment_has_pointers_of_its_own(project: Monorepo) -> None:
    """Each environment decides for itself."""
    sha = release(project)
    promote(there(project), "staging", sha)
    promote(there(project), "production", sha)
    assert project.digests("production") == project.digests(sha)
    verify(there(project), [], each=False, as_json=False)


def test_images_must_be_there_all_the_same(project: Monorepo) -> None:
    """A release that lost a part is refused before anything is written."""
    sha = release(project)
    project.images("web").delete(str(project.digests(sha)["web"]))
    with pytest.raises(IntegrityError, match="no longer available"):
        promote(there(project), "staging", sha)


@pytest.mark.parametrize("command", [resume, abort])
def test_what_was_interrupted_is_ended(project: Monorepo, command: Any) -> None:
    """Killed before its outcome is written, a promotion is finished or undone as any other."""
    first, second = release(project), release(project, web="changed")
    promote(there(project), "staging", first)
    with mock.patch.object(Promotions, "close", side_effect=Killed), pytest.raises(Killed):
        promote(there(project), "staging", second)
    command(there(project), "staging")
    expected = second if command is resume else first
    assert project.record("environments/staging.json")["release"] == expected
