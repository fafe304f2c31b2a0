"""The rules of an environment, configured and broken for real."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

from buildonce.app import App, now
from buildonce.commands.history import history
from buildonce.commands.promote import promote
from buildonce.commands.rollback import rollback
from buildonce.errors import PreconditionError
from tests.kit.in_process import ANY_AGE, app, heard
from tests.kit.ledger_log import facts
from tests.kit.monorepo import Monorepo
from tests.kit.releases import record_release, release

FROZEN = {"freeze": [{"start": "2000-01-01 00:00", "end": "2999-01-01 00:00"}]}


@pytest.fixture
def staged(project: Monorepo) -> Monorepo:
    """A monorepo whose release runs in staging."""
    release(project, web="one")
    promote(app(project), "staging")
    return project


def with_rules(repo: Monorepo, **production: Any) -> App:
    return app(repo, environments={"staging": {}, "production": {"after": "staging", **production}})


@contextmanager
def later(length: timedelta) -> Iterator[None]:
    """Have the library's clock go that much ahead."""
    moment = now() + length
    with (
        mock.patch("buildonce.commands.promote.now", return_value=moment),
        mock.patch("buildonce.app.now", return_value=moment),
    ):
        yield


def add_to_production(repo: Monorepo, rule: str) -> None:
    """Give production a rule in `pyproject.toml`."""
    text = (repo.root / "pyproject.toml").read_text()
    before = 'after = "staging"'
    repo.write({"pyproject.toml": text.replace(before, f"{before}\n{rule}")})


def refused(repo: Monorepo, there: App, name: str | None = None) -> PreconditionError:
    """The refusal of a promotion to production, which must have written nothing."""
    before = repo.state()
    with pytest.raises(PreconditionError) as error:
        promote(there, "production", name)
    assert repo.state() == before
    return error.value


def runs(repo: Monorepo) -> str:
    sha: str = repo.record("environments/production.json")["release"]
    return sha


def test_the_order_of_environments(staged: Monorepo) -> None:
    """What staging has not run does not get into production: the rule and the way are named."""
    sha = release(staged, web="two")
    error = refused(staged, with_rules(staged), sha)
    assert error.message == f"staging has never run {sha}"
    assert "--override order --reason TEXT" in error.hint


def test_a_release_that_staging_once_ran(staged: Monorepo) -> None:
    """The order asks whether staging ran it, not whether it does now."""
    once = staged.sha()
    release(staged, web="two")
    promote(app(staged), "staging")
    promote(with_rules(staged), "production", once)
    assert runs(staged) == once


def test_the_soak_ends(staged: Monorepo) -> None:
    """Too early, it is refused with the time so far and the time it must; later it is not."""
    error = refused(staged, with_rules(staged, soak="30m"))
    assert "; 30m are required" in error.message
    with later(timedelta(minutes=30)):
        promote(with_rules(staged, soak="30m"), "production")
    assert runs(staged) == staged.sha()


def test_the_soak_begins_again_where_a_release_came_back(staged: Monorepo) -> None:
    """A release that left staging and returned soaks from its return on."""
    first = staged.sha()
    release(staged, web="two")
    promote(app(staged), "staging")
    with later(timedelta(hours=1)):
        promote(app(staged), "staging", first, **ANY_AGE)
        assert "has run in staging" in refused(staged, with_rules(staged, soak="30m")).message


def test_a_freeze(staged: Monorepo) -> None:
    """Inside a window nothing is promoted; the window is said with its time zone."""
    error = refused(staged, with_rules(staged, **FROZEN))
    assert error.message.startswith("promotions are frozen from")
    assert error.message.endswith("(UTC)")


def test_allowed_branches(staged: Monorepo) -> None:
    """A commit on another branch is refused; on an allowed one of the remote it passes."""
    error = refused(staged, with_rules(staged, branches=["release"]))
    assert "lacks the history to tell" in error.message
    staged.git("push", "--quiet", "origin", "HEAD~1:refs/heads/release")
    staged.git("fetch", "--quiet", "origin")
    error = refused(staged, with_rules(staged, branches=["release"]))
    assert error.message == f"{staged.sha()} is not on release"
    promote(with_rules(staged, branches=["release", "main"]), "production")
    assert runs(staged) == staged.sha()


def test_an_override_is_recorded(staged: Monorepo) -> None:
    """Rules broken with leave are in the ledger and in the history, with the reason."""
    there = with_rules(staged, soak="30m", **FROZEN)
    promote(there, "production", overrides=["soak", "freeze"], reason="the site is down")
    done = facts(staged)[-1]
    assert (done["Overrides"], done["Reason"]) == ("soak,freeze", "the site is down")
    shown = app(staged)
    history(shown, "production", 1, as_json=False)
    assert "the site is down [overrides soak,freeze]" in heard(shown)


def test_an_override_that_was_not_needed_is_not_recorded(staged: Monorepo) -> None:
    """Leave to break a rule that holds leaves no trace of a broken rule."""
    promote(with_rules(staged), "production", overrides=["soak"], reason="to be sure")
    assert "Overrides" not in facts(staged)[-1]


def test_no_rule_stands_in_the_way_back(staged: Monorepo) -> None:
    """In the middle of a freeze and without a soak, production can be rolled back."""
    first = staged.sha()
    promote(app(staged), "production")
    release(staged, web="two")
    promote(app(staged), "staging")
    promote(app(staged), "production")
    rollback(with_rules(staged, soak="30d", branches=["none"], **FROZEN), "production", None, "")
    assert runs(staged) == first


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--override=soak"], 2, "--override needs --reason"),
        (["--override=sok", "--reason=why"], 2, "there is no rule 'sok'"),
        ([], 3, "has run in staging for"),
        (["--override=soak", "--reason=why"], 0, ""),
    ],
    ids=["no reason", "no such rule", "no leave", "leave"],
)
def test_rules_on_the_command_line(
    staged: Monorepo, arguments: list[str], code: int, said: str
) -> None:
    """The options of `inv promote` and the rule of `pyproject.toml` meet in the exit code."""
    add_to_production(staged, 'soak = "30m"')
    assert said in staged.inv("promote", "production", *arguments, expect=code).err


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('soak = "soon"', "production.soak = 'soon': must look like"),
        ('freeze = [{start = "Fri 16:00", end = "soon"}]', "freeze.0.end"),
        (
            'freeze = [{start = "Fri 16:00", end = "Mon 7:00", timezone = "Mars"}]',
            "timezone = 'Mars'",
        ),
        ("freze = []", "unknown key; perhaps you meant 'freeze'"),
        ('branches = ["--all"]', "branches.0 = '--all'"),
    ],
)
def test_a_rule_that_makes_no_sense(staged: Monorepo, rule: str, said: str) -> None:
    """A mistake in a rule ends with 2 and its path before anything is done."""
    add_to_production(staged, rule)
    assert said in staged.inv("promote", "production", expect=2).err


def test_a_pointer_that_somebody_moved_is_named_before_it_moves_back(project: Monorepo) -> None:
    """The plan, and the promotion, say what it named and what the ledger says."""
    first, second = (release(project, web=text) for text in ("one", "two"))
    promote(app(project), "staging", first)
    project.images("web").put("staging", project.images("web").require(second))
    for dry_run in (True, False):
        there = app(project, dry_run=dry_run)
        promote(there, "staging", second)
        assert "by the ledger it should be" in heard(there)


def test_last_weeks_job_run_again_brings_nothing_back(project: Monorepo) -> None:
    """An ancestor of what runs is refused by its rule, with the way back; nothing is written."""
    first, second = (release(project, web=text) for text in ("one", "two"))
    promote(app(project), "staging", first)
    promote(app(project), "staging", second)
    before = project.state()
    with pytest.raises(PreconditionError, match=f"is older than {second}") as refused:
        promote(app(project), "staging", first)
    assert f"inv rollback staging --to {first}" in refused.value.hint
    assert project.state() == before
    promote(app(project), "staging", first, **ANY_AGE)
    assert project.digests("staging") == project.digests(first)


def test_a_hotfix_beside_what_runs_is_allowed_and_said(project: Monorepo) -> None:
    """A commit that neither comes before nor after what runs is no step back."""
    first, second = (release(project, web=text) for text in ("one", "two"))
    promote(app(project), "staging", second)
    project.git("checkout", "--quiet", "-b", "hotfix", first)
    project.write({"web/web.txt": "one, mended"})
    project.git("commit", "--quiet", "--all", "--message=Mend")
    mended = record_release(project, project.git("rev-parse", "HEAD")).sha
    there = app(project)
    promote(there, "staging", mended)
    assert project.digests("staging") == project.digests(mended)
    assert f"{mended} does not contain {second}, which staging runs" in heard(there)
