"""The way back: to what was good, provably there, and not straight into the bad again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from unittest import mock

import pytest

from buildonce.commands.promote import promote
from buildonce.commands.recover import abort, resume
from buildonce.commands.rollback import rollback
from buildonce.errors import BuildonceError, IntegrityError, PreconditionError
from tests.kit.checkpoint import Checkpoint, put_back
from tests.kit.in_process import ANY_AGE, app, leave_open
from tests.kit.ledger_log import facts, is_open
from tests.kit.monorepo import Monorepo
from tests.kit.releases import release

RECORD = "environments/staging.json"


@pytest.fixture(scope="module")
def released_thrice(make: Callable[..., Monorepo], env: Mapping[str, str]) -> Checkpoint:
    with mock.patch.dict(os.environ, env, clear=True):
        repo = make()
        for content in ("one", "two", "three"):
            release(repo, web=content, jobs=content)
            promote(app(repo), "staging")
        return Checkpoint.of(repo)


@pytest.fixture
def repo(project: Monorepo, released_thrice: Checkpoint) -> Iterator[Monorepo]:
    """A monorepo whose last three commits staging has run, one after the other."""
    with put_back(released_thrice) as repo:
        yield repo


@pytest.fixture
def releases(repo: Monorepo) -> list[str]:
    """The three releases, the oldest first."""
    return [repo.sha(name) for name in ("HEAD~2", "HEAD~1", "HEAD")]


def runs(repo: Monorepo) -> str:
    """What staging runs; its pointers must all name it, and nothing be in progress."""
    record = repo.record(RECORD)
    assert not is_open(record)
    sha: str = record["release"]
    assert repo.digests("staging") == repo.digests(sha)
    return sha


def refused(repo: Monorepo, expected: type[BuildonceError], command: Callable[[], None]) -> str:
    """What a command says that ends with this error; it must have written nothing."""
    before = repo.state()
    with pytest.raises(expected) as error:
        command()
    assert repo.state() == before
    return f"{error.value.message}\n{error.value.hint}"


def test_back_to_the_last_good_release(repo: Monorepo, releases: list[str]) -> None:
    """`inv rollback` puts back what ran before, and says so."""
    said = repo.inv("rollback", "staging", "--reason=it fell over").out
    assert f"staging runs {releases[1]} (before: {releases[2]})" in said
    assert runs(repo) == releases[1]


def test_a_rollback_goes_forward_in_the_ledger(repo: Monorepo, releases: list[str]) -> None:
    """It is a promotion like any other: an intent, an outcome, the next number, its reason."""
    rollback(app(repo), "staging", None, "it fell over")
    opened, done = facts(repo)[-2:]
    assert (opened["Event"], done["Event"]) == ("opened", "done")
    assert (done["Kind"], done["Sequence"], done["Reason"]) == ("rollback", "4", "it fell over")
    assert (done["Release"], done["Previous"]) == (releases[1], releases[2])


def test_back_to_a_named_release(repo: Monorepo, releases: list[str]) -> None:
    """`--to` takes any name of a commit, as long as its release was good there."""
    rollback(app(repo), "staging", "HEAD~2", "")
    assert runs(repo) == releases[0]


def test_back_to_a_release_of_a_commit_that_this_clone_does_not_have(
    repo: Monorepo, releases: list[str], tmp_path: Path
) -> None:
    """In a shallow clone the release's sha is enough: the ledger knows it."""
    shallow = repo.clone(tmp_path / "shallow", "--depth=1")
    rollback(app(shallow), "staging", releases[0], "")
    assert runs(repo) == releases[0]


def test_twice_back_is_further_back(repo: Monorepo, releases: list[str]) -> None:
    """A second rollback names where to: two people at night do not go back twice by accident."""
    rollback(app(repo), "staging", None, "")
    said = refused(repo, PreconditionError, lambda: rollback(app(repo), "staging", None, ""))
    assert f"was rolled back already, from {releases[2]} to {releases[1]}, by Dana" in said
    assert "inv rollback staging --to SHA" in said
    rollback(app(repo), "staging", releases[0], "")
    assert runs(repo) == releases[0]


def test_there_is_an_end_to_going_back(repo: Monorepo, releases: list[str]) -> None:
    """Where every earlier release is blocked, nothing moves, and the way to force it is named."""
    for sha in (releases[1], releases[0]):
        rollback(app(repo), "staging", sha, "")
    promote(app(repo), "staging", releases[0], **ANY_AGE)
    release(repo, web="four")
    leave_open(lambda: promote(app(repo), "staging"))
    abort(app(repo), "staging")
    said = refused(repo, PreconditionError, lambda: rollback(app(repo), "staging", None, ""))
    assert "no earlier release" in said
    assert "--to SHA --reason" in said


def test_a_release_that_was_never_there_is_refused(repo: Monorepo, releases: list[str]) -> None:
    """Built is not enough to roll back to: it must have been good in that environment."""
    sha = release(repo, web="four")
    said = refused(repo, PreconditionError, lambda: rollback(app(repo), "staging", sha, ""))
    assert f"{sha} never ran in staging" in said


def test_an_aborted_release_was_never_good(repo: Monorepo, releases: list[str]) -> None:
    """A promotion that was put back is no place to roll back to."""
    sha = release(repo, web="four")
    leave_open(lambda: promote(app(repo), "staging"))
    abort(app(repo), "staging")
    rollback(app(repo), "staging", None, "")
    assert runs(repo) == releases[1]
    said = refused(repo, PreconditionError, lambda: rollback(app(repo), "staging", sha, ""))
    assert "never ran" in said


@pytest.mark.parametrize("part", ["manifest", "configuration", "layer"])
def test_a_target_with_a_missing_part_is_refused(
    repo: Monorepo, releases: list[str], part: str, request: pytest.FixtureRequest
) -> None:
    """Before anything moves, every part is looked for; the service and the part are named."""
    images = repo.images("jobs")
    stored = images.require(releases[1])
    if part == "manifest":
        named = "jobs: manifest"
        images.delete(stored.digest)
    else:
        config = stored.document["config"]["digest"]
        digest = config if part == "configuration" else stored.layers[0]
        named = f"jobs: {part} {digest}"
        request.addfinalizer(partial(images.put_blob, images.blob(digest)))
        images.delete_blob(digest)
    said = refused(repo, IntegrityError, lambda: rollback(app(repo), "staging", None, ""))
    assert f"release {releases[1]} is no longer available" in said
    assert named in said
    assert "web" not in said


def test_all_that_is_missing_is_named(repo: Monorepo, releases: list[str]) -> None:
    """Every service's missing parts are in the one message."""
    for service in repo.services:
        images = repo.images(service)
        images.delete(images.require(releases[1]).digest)
    said = refused(repo, IntegrityError, lambda: rollback(app(repo), "staging", None, ""))
    assert "web: manifest" in said
    assert "jobs: manifest" in said


def test_what_was_rolled_back_is_blocked(repo: Monorepo, releases: list[str]) -> None:
    """The release that was left does not come back by itself: 3, with why and how."""
    rollback(app(repo), "staging", None, "it fell over")
    said = refused(repo, PreconditionError, lambda: promote(app(repo), "staging"))
    assert f"{releases[2]} is blocked in staging: it fell over" in said
    assert "--reason" in said


def test_without_a_reason_it_is_blocked_as_well(repo: Monorepo, releases: list[str]) -> None:
    """A rollback that nobody explained holds the release all the same."""
    rollback(app(repo), "staging", None, "")
    said = refused(repo, PreconditionError, lambda: promote(app(repo), "staging"))
    assert f"{releases[2]} is blocked in staging: rolled back" in said


def test_a_blocked_release_comes_back_with_a_reason(repo: Monorepo, releases: list[str]) -> None:
    """With --reason it is promoted again, and is no longer blocked."""
    rollback(app(repo), "staging", None, "it fell over")
    promote(app(repo), "staging", reason="it was the database")
    assert runs(repo) == releases[2]
    promote(app(repo), "staging", releases[1], **ANY_AGE)
    promote(app(repo), "staging", releases[2])
    assert runs(repo) == releases[2]


def test_a_way_back_that_is_blocked_needs_a_reason(repo: Monorepo, releases: list[str]) -> None:
    """`--to` a release that was itself rolled back is refused until somebody says why."""
    rollback(app(repo), "staging", None, "")
    back = releases[2]
    said = refused(repo, PreconditionError, lambda: rollback(app(repo), "staging", back, ""))
    assert f"{back} is blocked" in said
    rollback(app(repo), "staging", back, "the other one is worse")
    assert runs(repo) == back


def test_a_hold_is_one_environments(repo: Monorepo, releases: list[str]) -> None:
    """What staging was rolled back from breaks production's order, and blocks nothing there."""
    rollback(app(repo), "staging", None, "staging is too small for it")
    leave = {"overrides": ("order",), "reason": "production is larger"}
    said = refused(repo, PreconditionError, lambda: promote(app(repo), "production", releases[2]))
    assert "staging was rolled back from" in said
    promote(app(repo), "production", releases[2], **leave)  # type: ignore[arg-type]
    assert repo.record("environments/production.json")["release"] == releases[2]


def test_an_interrupted_rollback_that_is_resumed_holds_too(
    repo: Monorepo, releases: list[str]
) -> None:
    """Whether in one go or in two, a rollback leaves the release behind blocked."""
    leave_open(lambda: rollback(app(repo), "staging", None, ""))
    resume(app(repo), "staging")
    assert runs(repo) == releases[1]
    said = refused(repo, PreconditionError, lambda: promote(app(repo), "staging"))
    assert "is blocked" in said


def test_an_aborted_rollback_holds_nothing(repo: Monorepo, releases: list[str]) -> None:
    """A rollback that was put back has not condemned what it meant to leave."""
    leave_open(lambda: rollback(app(repo), "staging", None, ""))
    abort(app(repo), "staging")
    assert runs(repo) == releases[2]
    promote(app(repo), "staging", releases[0], **ANY_AGE)
    promote(app(repo), "staging", releases[2])
    assert runs(repo) == releases[2]


def test_a_dry_run_of_a_rollback_writes_nothing(repo: Monorepo, releases: list[str]) -> None:
    """It shows the very steps, and leaves the ledger and the pointers alone."""
    before = repo.state()
    said = repo.inv("rollback", "staging", "--dry-run").out
    assert f"rollback of staging to {releases[1]}" in said
    assert repo.state() == before
