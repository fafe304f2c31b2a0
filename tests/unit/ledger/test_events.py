"""The ledger's events: applied once however often, refused when the world has moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import pytest

from buildonce.errors import BusyError, PreconditionError
from buildonce.ledger import events, releases
from buildonce.ledger.records.deployment import DeploymentRecord, PlaceRecord
from buildonce.ledger.records.environment import EnvironmentRecord, RunRecord
from buildonce.ledger.records.promotion import Promotion
from buildonce.ledger.records.record import Record
from buildonce.ledger.records.release import ImageRecord, Release
from buildonce.ledger.snapshot import (
    Event,
    environment_path,
    image_path,
    pruned_path,
    release_path,
    run_path,
)
from tests.kit.samples import (
    DANA,
    LATER,
    NOON,
    REGISTRY,
    empty,
    image_record,
    ledger,
    promotion,
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


def in_progress(name: str = "mine") -> tuple[EnvironmentRecord, Promotion]:
    """A promotion of staging from the first to the second release, written down."""
    before = running(FIRST)
    begun = promotion(SECOND, before, name=name)
    return before.opened(begun), begun


def done(state: Mapping[str, Record], begun: Promotion) -> Event | None:
    """The event of a promotion's success."""
    return events.closed(ledger(state), begun, "done", LATER, DANA)


def images(of: Release, number: int = 1) -> dict[str, ImageRecord]:
    """The images of a release as a build makes them."""
    return {name: image_record(name, f"{name} {number}") for name in of.services}


def empty_of(of: Release) -> Release:
    """A release whose images are still to be recorded."""
    return of.model_copy(update={"services": {}})


def test_the_first_build_is_recorded_as_it_is() -> None:
    """Where there is no record, the release becomes it, and the message has the digests."""
    event = releases.built(ledger({}), empty_of(FIRST), images(FIRST))
    assert recorded(Release, event, release_path(FIRST.sha)).digests() == FIRST.digests()
    assert event is not None
    trailers = dict(event.trailers)
    assert trailers["Event"] == "built"
    assert trailers["Digest"] == f"web {FIRST.digests()['web']}"


def test_each_image_is_recorded_under_its_identity() -> None:
    """A build leaves one file for each service's inputs, from which later commits take over."""
    made = images(FIRST)
    event = releases.built(ledger({}), empty_of(FIRST), made)
    for name, image in made.items():
        assert recorded(ImageRecord, event, image_path(name, image.identity)) == image


def test_an_image_of_another_commit_says_so() -> None:
    """A release that takes over an image has the commit that it was built from."""
    made = {"web": image_record("web", "web 1", number=1)}
    state = {image_path("web", made["web"].identity): made["web"]}
    event = releases.built(ledger(state), empty_of(SECOND), made)
    release = recorded(Release, event, release_path(SECOND.sha))
    assert release.services["web"].built_from == FIRST.revision
    assert event is not None
    assert set(event.files) == {release_path(SECOND.sha), pruned_path(SECOND.sha)}


def test_two_builds_of_the_same_inputs_agree() -> None:
    """Where another commit's build was recorded first, its image is the release's."""
    first = image_record("web", "first bytes", number=1)
    state = {image_path("web", first.identity): first}
    late = {"web": image_record("web", "other bytes", number=2)}
    event = releases.built(ledger(state), empty_of(SECOND), late)
    release = recorded(Release, event, release_path(SECOND.sha))
    assert release.digests() == {"web": first.digest}


@pytest.mark.parametrize("changed", [{"generation": 2}, {"image": f"{REGISTRY}/elsewhere/web"}])
def test_a_later_generation_or_place_replaces_an_image(changed: dict[str, Any]) -> None:
    """A build of the same inputs that was asked for, or lies elsewhere, becomes their image."""
    first = image_record("web", "first bytes")
    path = image_path("web", first.identity)
    anew = image_record("web", "new bytes", number=2, **changed)
    event = releases.built(ledger({path: first}), empty_of(SECOND), {"web": anew})
    assert recorded(ImageRecord, event, path) == anew


def test_a_build_that_is_recorded_already_is_no_event() -> None:
    """Appending the same build twice writes once."""
    state = ledger({release_path(FIRST.sha): FIRST})
    assert releases.built(state, empty_of(FIRST), images(FIRST)) is None


def test_the_first_of_two_builds_is_the_one_that_counts() -> None:
    """Another build of the commit, with other bytes, changes nothing of what is recorded."""
    state = ledger({release_path(FIRST.sha): FIRST})
    other = {"web": image_record("web", "other bytes", identity="another")}
    assert releases.built(state, empty_of(FIRST), other) is None


def test_missing_services_are_added() -> None:
    """A build of the rest leaves what was there, and names what is new."""
    part = release(1, "web")
    event = releases.built(ledger({release_path(FIRST.sha): part}), empty_of(FIRST), images(FIRST))
    assert recorded(Release, event, release_path(FIRST.sha)).digests() == FIRST.digests()
    assert event is not None
    assert event.subject == f"build {FIRST.sha}: api"


def test_many_services_are_counted() -> None:
    """The subject of a fleet's build tells how many services it is, not each."""
    fleet = {f"s{number}": image_record(f"s{number}", "bytes") for number in range(100)}
    event = releases.built(ledger({}), empty_of(FIRST), fleet)
    assert event is not None
    assert event.subject == f"build {FIRST.sha}: 100 services"


def test_two_commits_with_one_tag_are_refused() -> None:
    """Where the short form is not unique any more, the message says what to change."""
    twin = FIRST.model_copy(update={"revision": FIRST.sha + "f" * 28})
    with pytest.raises(PreconditionError, match="is the tag of two commits") as caught:
        releases.built(ledger({release_path(FIRST.sha): FIRST}), twin, images(twin))
    assert "sha_length" in caught.value.hint


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
