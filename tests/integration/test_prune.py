"""`inv prune`: what nothing needs goes, tag by tag, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

from buildonce.app import App, now
from buildonce.commands.promote import promote
from buildonce.commands.prune import prune
from buildonce.commands.recover import abort, resume
from buildonce.commands.retire import retire
from buildonce.commands.rollback import rollback
from buildonce.commands.status import status
from buildonce.commands.verify import verify
from buildonce.errors import PreconditionError, RemovalError, UnavailableError
from buildonce.execute.promotions import Promotions
from buildonce.execute.prunings import Prunings
from buildonce.execute.run import Run
from buildonce.plan.steps import OpenPromotion, PruneReleases
from buildonce.refs import ImageRef, Repository
from buildonce.registry import Registry
from buildonce.registry.connections import Answer
from tests.kit.in_process import Killed, app, heard, leave_open
from tests.kit.ledger_log import facts
from tests.kit.monorepo import Monorepo
from tests.kit.releases import record_release, release

KEEP_ONE = {"keep_releases": 1, "keep_for": "0s", "keep_rollbacks": 1}


def keeping(repo: Monorepo, environments: Any = None, **policy: object) -> App:
    """A command under a policy that keeps almost nothing."""
    configured: dict[str, Any] = {"environments": environments} if environments else {}
    return app(repo, prune={**KEEP_ONE, **policy}, **configured)


def tags(repo: Monorepo, *shas: str) -> list[bool]:
    """Which of the releases have their tags; never only some of a release's."""
    found = [set(repo.digests(sha).values()) for sha in shas]
    assert all(None not in digests or len(digests) == 1 for digests in found)
    return [None not in digests for digests in found]


def built(repo: Monorepo, count: int) -> list[str]:
    return [release(repo, web=f"content {number}") for number in range(count)]


@pytest.fixture
def history(project: Monorepo) -> list[str]:
    """Four releases of which staging has run all but the newest."""
    shas = built(project, 4)
    for sha in shas[:3]:
        promote(app(project), "staging", sha)
    return shas


def test_what_nothing_needs_goes(project: Monorepo, history: list[str]) -> None:
    """Tags and records of what is out of reach are removed; what runs, or is a way back, stays."""
    prune(keeping(project))
    assert tags(project, *history) == [False, True, True, True]
    assert app(project).ledger.read().names("releases") == sorted(history[1:])
    assert app(project).ledger.read().names("pruned") == []


def test_what_stays_still_works(project: Monorepo, history: list[str]) -> None:
    """After a prune staging verifies, and the rollback that was promised succeeds."""
    prune(keeping(project))
    verify(app(project), ["staging"], each=True, as_json=False)
    rollback(app(project), "staging", None, "")
    assert project.digests("staging") == project.digests(history[1])


def test_a_dry_run_says_why_and_removes_nothing(project: Monorepo, history: list[str]) -> None:
    """Each release is shown with the reason it stays or goes, each tag with its removal."""
    before = project.state()
    there = app(project, dry_run=True, prune=KEEP_ONE)
    prune(there)
    said = heard(there)
    reasons = ["not needed", "staging could roll back to it", "staging runs it"]
    for sha, reason in zip(history, [*reasons, "one of the newest 1"], strict=True):
        assert any(sha in line and reason in line for line in said.splitlines())
    for service in project.services:
        assert f"remove the tag {project.images(service)}:{history[0]}" in said
    assert project.state() == before


def test_other_tags_of_the_same_bytes_stay(project: Monorepo) -> None:
    """Removing a tag leaves the manifest alone, and every other tag that names it."""
    old, _ = built(project, 2)
    for service in project.services:
        images = project.images(service)
        images.put("somebody-elses", images.require(old))
    before = project.digests("somebody-elses")
    prune(keeping(project))
    assert tags(project, old) == [False]
    assert project.digests("somebody-elses") == before


def test_pruning_again_finds_nothing(project: Monorepo, history: list[str]) -> None:
    """A second prune writes nothing and says so."""
    prune(keeping(project))
    before = project.state()
    there = keeping(project)
    prune(there)
    assert "nothing to remove" in heard(there)
    assert project.state() == before


@pytest.mark.parametrize("recover", [resume, abort])
def test_a_promotion_in_progress_keeps_what_it_needs(
    project: Monorepo, recover: Callable[[App, str], None]
) -> None:
    """Interrupted, pruned under, and then finished or put back: both releases are still there."""
    first, second, _ = built(project, 3)
    promote(app(project), "staging", first)
    leave_open(lambda: promote(app(project), "staging", second))
    prune(keeping(project))
    recover(app(project), "staging")
    verify(app(project), ["staging"], each=True, as_json=False)


def test_a_promotion_that_begins_during_a_prune_keeps_its_release(project: Monorepo) -> None:
    """What may go is decided again the moment it is written down: a new promotion comes first."""
    old, _ = built(project, 2)
    write = Prunings.prune

    def after_a_promotion(prunings: Prunings, step: PruneReleases, run: Run) -> Run:
        promote(app(project), "staging", old)
        return write(prunings, step, run)

    with mock.patch.object(Prunings, "prune", after_a_promotion):
        prune(keeping(project))
    assert tags(project, old) == [True]
    verify(app(project), ["staging"], each=True, as_json=False)


def test_a_prune_during_a_promotion_stops_it(project: Monorepo) -> None:
    """A promotion whose release was pruned after it looked refuses, having written nothing."""
    old, _ = built(project, 2)
    write = Promotions.open

    def after_a_prune(promotions: Promotions, step: OpenPromotion, run: Run) -> Run:
        prune(keeping(project))
        return write(promotions, step, run)

    with (
        mock.patch.object(Promotions, "open", after_a_prune),
        pytest.raises(PreconditionError, match=f"{old} was pruned in the meantime"),
    ):
        promote(app(project), "staging", old)
    assert facts(project)[-1]["Event"] == "forgotten"
    assert project.digests("staging") == dict.fromkeys(project.services)


def test_a_prune_that_was_killed_is_finished_by_the_next(project: Monorepo) -> None:
    """Dead between ledger and registry, it leaves tags behind that the next prune removes."""
    shas = built(project, 3)
    with (
        mock.patch.object(Registry, "remove_tag", side_effect=Killed),
        pytest.raises(Killed),
    ):
        prune(keeping(project))
    assert tags(project, *shas) == [True, True, True]
    with pytest.raises(PreconditionError, match="was not built"):
        promote(app(project), "staging", shas[0])
    prune(keeping(project))
    assert tags(project, *shas) == [False, False, True]
    assert app(project).ledger.read().names("pruned") == []


def test_a_pruned_release_can_be_built_again(project: Monorepo) -> None:
    """A commit that was pruned is built, promoted, and not pruned by what was left unfinished."""
    old, _ = built(project, 2)
    with (
        mock.patch.object(Registry, "remove_tag", side_effect=Killed),
        pytest.raises(Killed),
    ):
        prune(keeping(project))
    record_release(project, project.git("rev-parse", old))
    promote(app(project), "staging", old)
    prune(keeping(project))
    assert tags(project, old) == [True]
    verify(app(project), ["staging"], each=True, as_json=False)


def test_a_pruned_release_is_still_blocked(project: Monorepo) -> None:
    """What was rolled back needs a reason even after it was pruned and built again."""
    good, bad, _ = built(project, 3)
    for sha in (good, bad):
        promote(app(project), "staging", sha)
    rollback(app(project), "staging", None, "it fell over")
    prune(keeping(project))
    assert tags(project, bad) == [False]
    record_release(project, project.git("rev-parse", bad))
    with pytest.raises(PreconditionError, match="blocked in staging: it fell over"):
        promote(app(project), "staging", bad)


def test_a_pruned_release_was_good_nowhere(project: Monorepo) -> None:
    """Built again, it may have other bytes: that the old ones ran in staging proves nothing."""
    good, bad, _ = built(project, 3)
    for sha in (good, bad):
        promote(app(project), "staging", sha)
    rollback(app(project), "staging", None, "it fell over")
    prune(keeping(project))
    record_release(project, project.git("rev-parse", bad))
    with pytest.raises(PreconditionError, match="staging has never run"):
        promote(app(project), "production", bad)
    with pytest.raises(PreconditionError, match="never ran in staging"):
        rollback(app(project), "staging", bad, "back to it all the same")


def test_the_age_counts_from_the_build(project: Monorepo) -> None:
    """A release younger than the policy says stays, however many newer ones there are."""
    young = project.commit("Young", {"web/web.txt": "young"})
    record_release(project, project.git("rev-parse", young), at=now() - timedelta(days=6))
    old, *_ = built(project, 1)
    prune(keeping(project, keep_for="7d"))
    assert tags(project, young, old) == [True, False]


def test_a_retired_environment_keeps_nothing(project: Monorepo, history: list[str]) -> None:
    """After `inv retire` its releases may go, its pointers are gone, and the ledger says who."""
    left: dict[str, Any] = {"environments": {"production": {}}}
    retire(app(project, **left), "staging", "merged into production")
    assert set(project.digests("staging").values()) == {None}
    event = facts(project)[-1]
    assert (event["Event"], event["Environment"]) == ("retired", "staging")
    assert event["Reason"] == "merged into production"
    prune(keeping(project, **left))
    assert tags(project, *history) == [False, False, False, True]


def test_what_is_configured_is_not_retired(project: Monorepo, history: list[str]) -> None:
    """The message says what to remove first, and nothing is changed."""
    before = project.state()
    with pytest.raises(PreconditionError, match="staging is still configured"):
        retire(app(project), "staging", "")
    assert project.state() == before


def test_what_is_being_promoted_is_not_retired(project: Monorepo, history: list[str]) -> None:
    """An open promotion is ended first, which takes its configuration."""
    leave_open(lambda: promote(app(project), "staging", history[3]))
    with pytest.raises(PreconditionError, match="is still open"):
        retire(app(project, environments={"production": {}}), "staging", "")


def test_an_unknown_environment_is_not_retired(project: Monorepo, history: list[str]) -> None:
    """A name that the ledger does not have is an error that lists those that it has."""
    with pytest.raises(PreconditionError, match="has no environment stagign") as refused:
        retire(app(project), "stagign", "")
    assert "staging" in refused.value.hint


def test_prune_is_recorded(project: Monorepo, history: list[str]) -> None:
    """The ledger says what went, who removed it, and that the tags are gone."""
    prune(keeping(project))
    pruned, forgotten = facts(project)[-2:]
    assert (pruned["Event"], forgotten["Event"]) == ("pruned", "forgotten")
    assert pruned["Releases"] == forgotten["Releases"] == history[0]
    assert pruned["Actor"] == "Dana Developer <dana@example.org>"


def test_a_registry_that_removes_nothing_keeps_its_tags(project: Monorepo) -> None:
    """Where the registry refuses to delete, neither tags nor the ledger change: 6, not a wreck."""
    old, _ = built(project, 2)
    before = project.digests(old), project.ledger()
    answer = Answer(405, {}, b"", "")
    refusing = mock.patch.object(Registry, "delete_manifest", return_value=answer)
    with refusing, pytest.raises(UnavailableError, match="removes nothing"):
        prune(keeping(project))
    assert (project.digests(old), project.ledger()) == before


@pytest.mark.parametrize("answer", [202, 403, 405])
def test_a_tag_that_was_not_removed_is_named_until_it_is_gone(
    project: Monorepo, answer: int
) -> None:
    """Refused, or only said to be removed: prune ends with 6, and status names it until it goes."""
    old, older, _ = built(project, 3)
    kept = Repository.parse(str(project.images("web"))).tag(old)
    remove = Registry.remove_tag

    def refuse_one(registry: Registry, tag: ImageRef) -> None:
        if tag != kept:
            remove(registry, tag)
        elif answer != 202:
            raise RemovalError(f"the registry answered {answer}")

    with (
        mock.patch.object(Registry, "remove_tag", refuse_one),
        pytest.raises(UnavailableError, match=f"still in the registry: {kept}$"),
    ):
        prune(keeping(project))
    assert project.digests(older) == dict.fromkeys(project.services)
    assert app(project).ledger.read().names("pruned") == [old]
    there = app(project)
    status(there)
    assert f"pruned, and not gone from the registry yet: {old}" in heard(there)
    prune(keeping(project))
    there = app(project)
    status(there)
    assert "pruned" not in heard(there)
