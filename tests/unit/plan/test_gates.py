"""The gates before a promotion: what does not hold ends it before anything is touched."""

from __future__ import annotations

from datetime import datetime

import pytest

from buildonce.config import Environment
from buildonce.errors import IntegrityError, PreconditionError, UnavailableError, UsageError
from buildonce.ledger.records.environment import RunRecord
from buildonce.ledger.records.promotion import Request
from buildonce.ledger.snapshot import environment_path, run_path
from buildonce.plan.gates import pass_gates, require_complete, require_reversible
from buildonce.plan.observation import Observation
from buildonce.refs import Digest, ImageRef, Repository
from buildonce.registry import Manifest
from tests.kit.samples import (
    DANA,
    LATER,
    NOON,
    engine,
    ledger,
    observation,
    promotion,
    release,
    running,
)

FIRST, SECOND = release(1), release(2)
REQUEST = Request(environment="staging", release=SECOND.sha)
AFTER_TEST = Environment(after="test")


class Registry:
    """A registry that has everything, or nothing, or that does not answer."""

    def __init__(self, *, full: bool = True, silent: bool = False) -> None:
        self.full, self.silent = full, silent

    def manifest(self, ref: ImageRef) -> Manifest | None:
        if self.silent:
            raise UnavailableError("the registry did not answer")
        return Manifest(ref, b"{}", "an/index") if self.full else None

    def has_blob(self, _repository: Repository, _digest: Digest) -> bool:
        return self.full


def gates(seen: Observation, request: Request = REQUEST, *, full: bool = True) -> tuple[str, ...]:
    return pass_gates(seen, request, Registry(full=full), LATER, "origin")


def with_run(run: RunRecord, environment: str = "staging", **changed: object) -> Observation:
    """Staging on the first release, where an environment has run the second one."""
    record = running(FIRST)
    files = {environment_path("staging"): record, run_path(environment, SECOND.sha): run}
    return observation(SECOND, record, FIRST, snapshot=ledger(files), **changed)  # type: ignore[arg-type]


def test_a_promotion_without_rules_passes() -> None:
    """Nothing is overridden where nothing is broken."""
    assert gates(observation(SECOND, None, FIRST)) == ()


def test_an_incomplete_release_is_refused() -> None:
    """What is missing is named, with the command that builds it."""
    part = release(2, "web")
    with pytest.raises(PreconditionError, match="api was not built") as caught:
        require_complete(part)
    assert caught.value.hint == f"inv build --sha {part.sha}"
    with pytest.raises(PreconditionError, match="is incomplete"):
        gates(observation(part, None, FIRST))


def test_a_release_that_the_environment_before_never_ran_is_refused() -> None:
    """Order is a rule for another release."""
    with pytest.raises(PreconditionError, match=f"test has never run {SECOND.sha}"):
        gates(observation(SECOND, None, FIRST, settings=AFTER_TEST))


def test_a_release_that_ran_in_the_environment_before_passes() -> None:
    """The record of its run is the proof."""
    ran = RunRecord(release=SECOND.sha, sequence=1, since=NOON)
    assert gates(with_run(ran, "test", settings=AFTER_TEST)) == ()


@pytest.mark.parametrize(
    ("of", "kind"), [(FIRST, "promotion"), (SECOND, "rollback")], ids=["repair", "rollback"]
)
def test_no_rule_stands_in_the_way_of_back_or_repair(of: object, kind: str) -> None:
    """What runs already, or ran before, needs no leave."""
    request = REQUEST.model_copy(update={"kind": kind})
    assert gates(observation(of, running(FIRST), FIRST, settings=AFTER_TEST), request) == ()  # type: ignore[arg-type]


def test_a_rule_that_is_broken_with_leave_is_returned() -> None:
    """What was overridden is recorded with the promotion."""
    update = {"overrides": ("order",), "reason": "urgent"}
    seen = observation(SECOND, None, FIRST, settings=AFTER_TEST)
    assert gates(seen, REQUEST.model_copy(update=update)) == ("order",)


def test_an_override_of_no_rule_is_refused() -> None:
    """A misspelled rule is no leave."""
    with pytest.raises(UsageError, match="there is no rule"):
        gates(
            observation(SECOND, None, FIRST),
            REQUEST.model_copy(update={"overrides": ("ordr",), "reason": "urgent"}),
        )


@pytest.mark.parametrize(
    ("here", "there", "refused"),
    [
        ("https://a.example/acme/shop", "https://a.example/dana/shop", True),
        ("https://a.example/acme/shop", "https://b.example/Acme/shop", False),
        ("", "https://a.example/dana/shop", False),
        ("https://a.example/acme/shop", "", False),
    ],
)
def test_another_repository_does_not_promote(here: str, there: str, refused: bool) -> None:
    """A fork has a ledger of its own: it is refused, unless that is overridden."""
    seen = observation(SECOND, None, FIRST, repository=here, promoted_from=there)
    if refused:
        with pytest.raises(PreconditionError, match=f"promoted from {there}"):
            gates(seen)
    leave = REQUEST.model_copy(update={"overrides": ("repository",), "reason": "it was moved"})
    assert gates(seen, leave) == (("repository",) if refused else ())


def test_a_blocked_release_needs_a_reason() -> None:
    """What was rolled back from does not come back by accident."""
    seen = with_run(RunRecord(release=SECOND.sha, sequence=1, since=NOON, blocked="it burns"))
    with pytest.raises(PreconditionError, match="is blocked in staging: it burns") as refused:
        gates(seen)
    assert refused.value.hint == (
        f"to promote it anyway: inv promote staging --sha {SECOND.sha} --reason TEXT"
    )
    with pytest.raises(PreconditionError) as refused:
        gates(seen, REQUEST.model_copy(update={"kind": "rollback"}))
    assert refused.value.hint == (
        f"to roll back to it anyway: inv rollback staging --to {SECOND.sha} --reason TEXT"
    )
    assert gates(seen, REQUEST.model_copy(update={"reason": "it was not the release"})) == ()


def test_a_release_that_is_not_in_the_registry_is_refused() -> None:
    """Every missing part is named before anything is touched."""
    with pytest.raises(IntegrityError, match="api: manifest"):
        gates(observation(SECOND, None, FIRST), full=False)


@pytest.mark.parametrize(
    ("kind", "deploys", "passes"),
    [("rollback", True, True), ("rollback", False, False), ("promotion", True, False)],
)
def test_only_containers_go_back_without_a_registry(kind: str, deploys: bool, passes: bool) -> None:
    """The hosts have what ran before; pointers, and what is new, need a registry that answers."""
    seen = observation(FIRST, None, FIRST, engine=engine(FIRST) if deploys else None)
    request = REQUEST.model_copy(update={"kind": kind})
    silent = Registry(silent=True)
    if passes:
        assert pass_gates(seen, request, silent, LATER, "origin") == ()
    else:
        with pytest.raises(UnavailableError, match="did not answer"):
            pass_gates(seen, request, silent, LATER, "origin")


def test_a_way_back_that_cannot_be_deployed_is_known_before_it_is_needed() -> None:
    """What runs is made ready to be deployed again before another release comes."""

    broken = engine(FIRST, check=PreconditionError("the file is not in this clone"))
    with pytest.raises(PreconditionError, match="not in this clone"):
        gates(observation(SECOND, None, FIRST, engine=engine(SECOND), way_back=broken))


def test_an_irreversible_release_is_left_only_with_a_reason() -> None:
    """A rollback over a migration has to be said to be meant."""
    record = running(FIRST)
    record = record.opened(promotion(SECOND, record, irreversible=True)).done(NOON, DANA)
    with pytest.raises(PreconditionError, match=f"{SECOND.sha} was promoted to .* irreversible"):
        require_reversible(record, FIRST.sha, "")
    require_reversible(record, FIRST.sha, "the data is worthless")
    require_reversible(running(FIRST), "another", "")


def test_an_irreversible_release_is_not_passed_over_unsaid() -> None:
    """A release between what runs and where to go back counts as well, also once it came back."""
    record, third = running(FIRST), release(3)
    for change in (promotion(SECOND, irreversible=True), promotion(third), promotion(SECOND)):
        next_one = change.model_copy(update={"sequence": record.sequence + 1})
        record = record.opened(next_one).done(NOON, DANA)
        with pytest.raises(PreconditionError, match=SECOND.sha):
            require_reversible(record, FIRST.sha, "")


def test_what_was_rolled_back_from_before_does_not_pass() -> None:
    """A release that is blocked in the environment before breaks the order, though it ran there."""
    run = RunRecord(release=SECOND.sha, sequence=1, since=NOON, blocked="it burns")
    with pytest.raises(PreconditionError, match=r"test was rolled back from .*: it burns") as no:
        gates(with_run(run, "test", settings=AFTER_TEST))
    assert "--override order" in no.value.hint


def test_an_older_release_is_no_ordinary_promotion() -> None:
    """An ancestor of what runs is refused with the way back, and passes with an override."""
    seen = observation(SECOND, None, FIRST, lineage="behind")
    with pytest.raises(PreconditionError, match="is older than") as refused:
        gates(seen)
    assert f"inv rollback staging --to {SECOND.sha}" in refused.value.hint
    update = {"overrides": ("forward",), "reason": "on purpose"}
    assert gates(seen, REQUEST.model_copy(update=update)) == ("forward",)


@pytest.mark.parametrize("lineage", ["ahead", "apart"])
def test_a_newer_or_unrelated_release_passes(lineage: str) -> None:
    """A descendant is the ordinary case; a hotfix branch is allowed."""
    assert gates(observation(SECOND, None, FIRST, lineage=lineage)) == ()


@pytest.mark.parametrize(
    ("until", "blocked", "refused"),
    [(LATER, "", True), (LATER, "it burns", False), (None, "", False)],
    ids=["ran before", "blocked", "runs"],
)
def test_where_commits_cannot_tell_the_ledger_does(
    until: datetime | None, blocked: str, refused: bool
) -> None:
    """In a shallow clone, a release that the environment ran before is taken to be older."""
    run = RunRecord(release=SECOND.sha, sequence=1, since=NOON, until=until, blocked=blocked)
    request = REQUEST.model_copy(update={"reason": "meant"})
    seen = with_run(run, lineage="unknown")
    if refused:
        with pytest.raises(PreconditionError, match="is older than"):
            gates(seen, request)
    else:
        assert gates(seen, request) == ()
