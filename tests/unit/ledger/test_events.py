"""The ledger's events: applied once however often, refused when the world has moved."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from buildonce.errors import BusyError, PreconditionError
from buildonce.ledger import events
from buildonce.ledger.records.deployment import DeploymentRecord, PlaceRecord
from buildonce.ledger.records.environment import EnvironmentRecord, RunRecord
from buildonce.ledger.records.promotion import Promotion
from buildonce.ledger.records.record import Record
from buildonce.ledger.snapshot import (
    Event,
    environment_path,
    release_path,
    run_path,
)
from tests.kit.samples import (
    DANA,
    LATER,
    NOON,
    empty,
    ledger,
    promotion,
    recorded,
    release,
    running,
)

FIRST, SECOND = release(1), release(2)
STAGING = environment_path("staging")
PLACE = PlaceRecord(engine="swarm", project="shop")
DEPLOYED_BY = events.DeployedBy(
    "with digests",
    "with variables",
    DeploymentRecord(release=FIRST.sha, place=PLACE, salt="salt"),
)


def files(record: EnvironmentRecord) -> dict[str, Record]:
    """A ledger with two releases and an environment."""
    releases: dict[str, Record] = {release_path(one.sha): one for one in (FIRST, SECOND)}
    return {**releases, environment_path(record.environment): record}


def in_progress(name: str = "mine") -> tuple[EnvironmentRecord, Promotion]:
    """A promotion of staging from the first to the second release, written down."""
    before = running(FIRST)
    begun = promotion(SECOND, before, name=name)
    return before.opened(begun), begun


def done(state: Mapping[str, Record], begun: Promotion) -> Event | None:
    """The event of a promotion's success."""
    return events.closed(ledger(state), begun, "done", LATER, DANA)


def test_an_intent_locks_the_environment() -> None:
    """What is written is the record with the promotion in progress."""
    opened, begun = in_progress()
    event = events.opened(ledger(files(running(FIRST))), begun)
    assert recorded(EnvironmentRecord, event, STAGING) == opened


def test_an_intent_that_is_there_already_is_no_event() -> None:
    """After a lost answer, the same intent is recognised as its own."""
    opened, begun = in_progress()
    assert events.opened(ledger(files(opened)), begun) is None


def test_a_locked_environment_is_busy() -> None:
    """Somebody else's promotion is named: who, where, since when, and what to do."""
    opened, _ = in_progress("theirs")
    with pytest.raises(BusyError) as caught:
        events.opened(ledger(files(opened)), promotion(SECOND, running(FIRST)))
    assert caught.value.exit_code == 4
    for fact in ("staging", SECOND.sha, "Dana Developer", "laptop", "2026-11-23 12:00:00 UTC"):
        assert fact in caught.value.message
    assert "inv resume staging" in caught.value.hint
    assert "inv abort staging" in caught.value.hint


def test_an_environment_that_moved_meanwhile_is_refused() -> None:
    """A plan made on an older state writes nothing."""
    with pytest.raises(PreconditionError, match="in the meantime"):
        events.opened(ledger(files(running(FIRST))), promotion(SECOND, empty()))


def test_a_release_that_is_gone_meanwhile_is_refused() -> None:
    """An intent for a release that is no longer recorded writes nothing."""
    record = running(FIRST)
    with pytest.raises(PreconditionError, match=SECOND.sha):
        events.opened(ledger({STAGING: record}), promotion(SECOND, record))


def test_taking_over_and_taking_over_again() -> None:
    """The new holder is written; written already, it is no event."""
    opened, begun = in_progress()
    mine = begun.held_by("new", "server")
    event = events.taken_over(ledger(files(opened)), begun, mine)
    taken = recorded(EnvironmentRecord, event, STAGING)
    assert taken.open is not None
    assert (taken.open.id, taken.open.host) == ("new", "server")
    assert events.taken_over(ledger(files(taken)), begun, mine) is None


def test_of_two_that_take_over_one_is_refused() -> None:
    """Who comes second finds another holder than the one it meant to follow."""
    opened, begun = in_progress()
    faster = opened.taken_over("faster", "server")
    with pytest.raises(BusyError):
        events.taken_over(ledger(files(faster)), begun, begun.held_by("new", "h"))


def test_who_lost_the_environment_cannot_close() -> None:
    """A promoter that wakes up after a take-over is told, and writes nothing."""
    opened, begun = in_progress()
    with pytest.raises(BusyError):
        done(files(opened.taken_over("faster", "server")), begun)


def test_who_was_aborted_cannot_close() -> None:
    """A promoter that wakes up after an abort by another holder is told how it ended."""
    opened, begun = in_progress()
    aborted = opened.taken_over("faster", "server").undone("aborted", LATER, DANA, "")
    with pytest.raises(PreconditionError, match="aborted"):
        done(files(aborted), begun)


def test_success_is_written_with_when_both_releases_ran() -> None:
    """The new release runs since now, the one before it ran until now."""
    opened, begun = in_progress()
    before = RunRecord(release=FIRST.sha, sequence=1, since=NOON)
    event = done({**files(opened), run_path("staging", FIRST.sha): before}, begun)
    assert recorded(EnvironmentRecord, event, STAGING).release == SECOND.sha
    came = recorded(RunRecord, event, run_path("staging", SECOND.sha))
    went = recorded(RunRecord, event, run_path("staging", FIRST.sha))
    assert (came.since, came.until) == (LATER, None)
    assert (went.since, went.until, went.blocked) == (NOON, LATER, "")


def test_a_rollback_blocks_what_it_leaves() -> None:
    """The release that was rolled back from may not come back without a reason."""
    before = running(SECOND)
    begun = promotion(FIRST, before, kind="rollback", reason="it burns")
    run = RunRecord(release=SECOND.sha, sequence=1, since=NOON)
    event = done({**files(before.opened(begun)), run_path("staging", SECOND.sha): run}, begun)
    assert recorded(RunRecord, event, run_path("staging", SECOND.sha)).blocked == "it burns"


def test_an_outcome_that_is_there_already_is_no_event() -> None:
    """After a lost answer, the same outcome is recognised as its own."""
    opened, begun = in_progress()
    assert done(files(opened.done(LATER, DANA)), begun) is None


def test_a_failure_changes_no_run() -> None:
    """What was put back has nothing to say about releases, and keeps the reason."""
    opened, begun = in_progress()
    event = events.closed(ledger(files(opened)), begun, "failed", LATER, DANA, "no answer")
    assert event is not None
    assert set(event.files) == {STAGING}
    assert ("Message", "no answer") in event.trailers


def test_what_could_not_be_put_back_is_written_once() -> None:
    """It stays open, as broken, with the reason; written already, it is no event."""
    opened, begun = in_progress()
    event = events.broke(ledger(files(opened)), begun, "no registry")
    broken = recorded(EnvironmentRecord, event, STAGING)
    assert broken.open is not None
    assert (broken.open.outcome, broken.open.message) == ("broken", "no registry")
    assert events.broke(ledger(files(broken)), begun, "no registry") is None


def test_what_was_deployed_by_is_written_with_the_outcome() -> None:
    """What is put back is the environment's again, and the bundle that of the release there."""
    opened, begun = in_progress()
    event = events.closed(
        ledger(files(opened)), begun, "failed", LATER, DANA, deployed_by=DEPLOYED_BY
    )
    assert event is not None
    assert event.files["deployments/staging.yaml"] == "with digests"
    assert event.files["deployments/staging.json"] == DEPLOYED_BY.record
    assert event.files[f"bundles/staging/{FIRST.sha}.swarm.yaml"] == "with variables"


def test_a_message_keeps_to_its_line() -> None:
    """A line break inside a value cannot forge a trailer."""
    before = running(FIRST)
    reason = "harmless\nActor: somebody else"
    event = events.opened(ledger(files(before)), promotion(SECOND, before, reason=reason))
    assert event is not None
    assert "\nReason: harmless Actor: somebody else\n" in event.message()
    assert event.message().count("\nActor: ") == 1
