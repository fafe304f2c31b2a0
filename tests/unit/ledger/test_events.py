"""The ledger's events: applied once however often, refused when the world has moved."""

from __future__ import annotations

from typing import TypeVar

import pytest

from buildonce.errors import BusyError, PreconditionError
from buildonce.ledger import events
from buildonce.ledger.records.environment import EnvironmentRecord, Standing
from buildonce.ledger.records.record import Record
from buildonce.ledger.records.release import Release
from buildonce.ledger.snapshot import Event, environment_path, release_path, standing_path
from buildonce.plan.steps import ClosePromotion, OpenPromotion, TakeOver
from tests.unit.samples import LATER, NOON, empty, image, ledger, operation, release, running

FIRST, SECOND = release(1), release(2)
STAGING = environment_path("staging")

AnyRecord = TypeVar("AnyRecord", bound=Record)


def recorded(kind: type[AnyRecord], event: Event | None, path: str) -> AnyRecord:
    """A record that an event writes."""
    assert event is not None
    record = event.files[path]
    assert isinstance(record, kind)
    return record


def files(record: EnvironmentRecord) -> dict[str, Record]:
    """A ledger with two releases and an environment."""
    releases: dict[str, Record] = {release_path(one.sha): one for one in (FIRST, SECOND)}
    return {**releases, environment_path(record.environment): record}


def in_progress(name: str = "mine") -> tuple[EnvironmentRecord, OpenPromotion]:
    """A promotion of staging from the first to the second release, written down."""
    before = running(FIRST)
    step = OpenPromotion("staging", operation(SECOND, before, name=name))
    return before.opened(step.operation), step


def test_the_first_build_is_recorded_as_it_is() -> None:
    """Where there is no record, the release becomes it, and the message has the digests."""
    event = events.built(ledger({}), FIRST)
    assert recorded(Release, event, release_path(FIRST.sha)) == FIRST
    assert event is not None
    trailers = dict(event.trailers)
    assert trailers["Event"] == "built"
    assert trailers["Digest"] == f"web {FIRST.digests()['web']}"


def test_a_build_that_is_recorded_already_is_no_event() -> None:
    """Appending the same build twice writes once."""
    assert events.built(ledger({release_path(FIRST.sha): FIRST}), FIRST) is None


def test_the_first_of_two_builds_is_the_one_that_counts() -> None:
    """Another build of the commit, with other bytes, changes nothing of what is recorded."""
    other = FIRST.model_copy(update={"services": {"web": image("web", "other bytes")}})
    assert events.built(ledger({release_path(FIRST.sha): FIRST}), other) is None


def test_missing_services_are_added() -> None:
    """A build of the rest leaves what was there, and names what is new."""
    part = release(1, "web")
    event = events.built(ledger({release_path(FIRST.sha): part}), FIRST)
    assert recorded(Release, event, release_path(FIRST.sha)).digests() == FIRST.digests()
    assert event is not None
    assert event.subject == f"build {FIRST.sha}: api"


def test_two_commits_with_one_tag_are_refused() -> None:
    """Where the short form is not unique any more, the message says what to change."""
    twin = FIRST.model_copy(update={"revision": FIRST.sha + "f" * 28})
    with pytest.raises(PreconditionError, match="is the tag of two commits") as caught:
        events.built(ledger({release_path(FIRST.sha): FIRST}), twin)
    assert "sha_length" in caught.value.hint


def test_an_intent_holds_the_environment() -> None:
    """What is written is the record with the promotion in progress."""
    opened, step = in_progress()
    event = events.opened(ledger(files(running(FIRST))), step)
    assert recorded(EnvironmentRecord, event, STAGING) == opened


def test_an_intent_that_is_there_already_is_no_event() -> None:
    """After a lost answer, the same intent is recognised as its own."""
    opened, step = in_progress()
    assert events.opened(ledger(files(opened)), step) is None


def test_a_held_environment_is_busy() -> None:
    """Somebody else's promotion is named: who, where, since when, and what to do."""
    opened, _ = in_progress("theirs")
    mine = OpenPromotion("staging", operation(SECOND, running(FIRST)))
    with pytest.raises(BusyError) as caught:
        events.opened(ledger(files(opened)), mine)
    assert caught.value.exit_code == 4
    for fact in ("staging", SECOND.sha, "Dana Developer", "laptop", "2026-11-23 12:00:00 UTC"):
        assert fact in caught.value.message
    assert "inv resume staging" in caught.value.hint
    assert "inv abort staging" in caught.value.hint


def test_an_environment_that_moved_meanwhile_is_refused() -> None:
    """A plan made on an older state writes nothing."""
    stale = OpenPromotion("staging", operation(SECOND, empty()))
    with pytest.raises(PreconditionError, match="has moved to"):
        events.opened(ledger(files(running(FIRST))), stale)


def test_a_release_that_is_gone_meanwhile_is_refused() -> None:
    """An intent for a release that is no longer recorded writes nothing."""
    record = running(FIRST)
    step = OpenPromotion("staging", operation(SECOND, record))
    with pytest.raises(PreconditionError, match=SECOND.sha):
        events.opened(ledger({STAGING: record}), step)


def test_taking_over_and_taking_over_again() -> None:
    """The new holder is written; written already, it is no event."""
    opened, step = in_progress()
    take = TakeOver("staging", step.operation, "new", "server")
    taken = recorded(EnvironmentRecord, events.taken_over(ledger(files(opened)), take), STAGING)
    assert taken.operation is not None
    assert (taken.operation.id, taken.operation.host) == ("new", "server")
    assert events.taken_over(ledger(files(taken)), take) is None


def test_of_two_that_take_over_one_is_refused() -> None:
    """Who comes second finds another holder than the one it meant to follow."""
    opened, step = in_progress()
    faster = opened.taken("faster", "server")
    with pytest.raises(BusyError):
        events.taken_over(ledger(files(faster)), TakeOver("staging", step.operation, "new", "h"))


def test_who_lost_the_environment_cannot_close() -> None:
    """A promoter that wakes up after a take-over is told, and writes nothing."""
    opened, step = in_progress()
    close = ClosePromotion("staging", step.operation, "done")
    with pytest.raises(BusyError):
        events.closed(ledger(files(opened.taken("faster", "server"))), close, LATER)


def test_who_was_aborted_cannot_close() -> None:
    """A promoter that wakes up after an abort by another holder is told how it ended."""
    opened, step = in_progress()
    aborted = opened.taken("faster", "server").put_back("aborted", LATER, "")
    with pytest.raises(PreconditionError, match="aborted"):
        events.closed(
            ledger(files(aborted)), ClosePromotion("staging", step.operation, "done"), LATER
        )


def test_success_is_written_with_both_releases_standing() -> None:
    """The new release stands since now, the one before it until now."""
    opened, step = in_progress()
    before = Standing(release=FIRST.sha, sequence=1, since=NOON)
    state = ledger({**files(opened), standing_path("staging", FIRST.sha): before})
    event = events.closed(state, ClosePromotion("staging", step.operation, "done"), LATER)
    assert recorded(EnvironmentRecord, event, STAGING).release == SECOND.sha
    came = recorded(Standing, event, standing_path("staging", SECOND.sha))
    went = recorded(Standing, event, standing_path("staging", FIRST.sha))
    assert (came.since, came.until) == (LATER, None)
    assert (went.since, went.until, went.held) == (NOON, LATER, "")


def test_a_rollback_holds_what_it_leaves() -> None:
    """The release that was rolled back from may not come back without a reason."""
    before = running(SECOND)
    step = OpenPromotion("staging", operation(FIRST, before, kind="rollback", reason="it burns"))
    standing = Standing(release=SECOND.sha, sequence=1, since=NOON)
    state = ledger(
        {
            **files(before.opened(step.operation)),
            standing_path("staging", SECOND.sha): standing,
        }
    )
    event = events.closed(state, ClosePromotion("staging", step.operation, "done"), LATER)
    assert recorded(Standing, event, standing_path("staging", SECOND.sha)).held == "it burns"


def test_an_outcome_that_is_there_already_is_no_event() -> None:
    """After a lost answer, the same outcome is recognised as its own."""
    opened, step = in_progress()
    close = ClosePromotion("staging", step.operation, "done")
    assert events.closed(ledger(files(opened.done(LATER))), close, LATER) is None


def test_a_failure_changes_no_standing() -> None:
    """What was put back has nothing to say about releases, and keeps the reason."""
    opened, step = in_progress()
    close = ClosePromotion("staging", step.operation, "failed", "no answer")
    event = events.closed(ledger(files(opened)), close, LATER)
    assert event is not None
    assert set(event.files) == {STAGING}
    assert ("Message", "no answer") in event.trailers


def test_a_message_keeps_to_its_line() -> None:
    """A line break inside a value cannot forge a trailer."""
    before = running(FIRST)
    reason = "harmless\nActor: somebody else"
    step = OpenPromotion("staging", operation(SECOND, before, reason=reason))
    event = events.opened(ledger(files(before)), step)
    assert event is not None
    assert "\nReason: harmless Actor: somebody else\n" in event.message()
    assert event.message().count("\nActor: ") == 1
