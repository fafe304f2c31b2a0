"""Plans: pure functions from what was seen to what is to be done."""

from __future__ import annotations

import pytest

from buildonce.errors import IntegrityError, PreconditionError
from buildonce.ledger.records.release import Release
from buildonce.plan.plans import (
    Digests,
    Hosting,
    Plan,
    plan_abort,
    plan_build,
    plan_promotion,
    plan_resume,
    put_back,
)
from buildonce.plan.steps import (
    Bake,
    ClosePromotion,
    OpenPromotion,
    Point,
    RecordRelease,
    TakeOver,
    Unpoint,
)
from buildonce.refs import ImageRef
from tests.unit.samples import commit, digest, empty, operation, release, running

FIRST, SECOND = release(1), release(2)
NOTHING: Digests = {"api": None, "web": None}


def commit_tags(of: Release) -> dict[str, ImageRef]:
    return {name: image.tag(of.sha) for name, image in of.services.items()}


def build(record: Release | None, found: Digests, *services: str) -> Plan:
    tags = {name: ref for name, ref in commit_tags(FIRST).items() if name in (services or found)}
    return plan_build(commit(1), FIRST.sha, tags, record, found)


def kinds(plan: Plan) -> list[type]:
    return [type(step) for step in plan.steps]


def test_what_was_never_built_is_built_at_once_and_recorded() -> None:
    """All services are one step of baking, and one of recording."""
    plan = build(None, NOTHING)
    assert plan.steps == (
        Bake(commit(1), commit_tags(FIRST)),
        RecordRelease(FIRST.revision, FIRST.sha, ("api", "web")),
    )


def test_what_is_built_already_is_not_built() -> None:
    """Recorded and in the registry: no step, and the summary says why."""
    plan = build(FIRST, FIRST.digests())
    assert plan.steps == ()
    assert plan.summary == f"{FIRST.sha} is built already: api, web"


def test_only_what_is_missing_is_built() -> None:
    """A service that the record lacks is built, the others are left alone."""
    part = release(1, "web")
    plan = build(part, {**part.digests(), "api": None})
    assert plan.steps == (
        Bake(commit(1), {"api": commit_tags(FIRST)["api"]}),
        RecordRelease(FIRST.revision, FIRST.sha, ("api",)),
    )


def test_a_service_that_was_not_asked_for_is_left_alone() -> None:
    """--service narrows the plan to it."""
    plan = build(None, {"web": None}, "web")
    assert plan.steps[-1] == RecordRelease(FIRST.revision, FIRST.sha, ("web",))


def test_a_lost_tag_is_restored_from_the_record() -> None:
    """Recorded but no longer tagged: the tag is pointed to the recorded digest, no build."""
    plan = build(FIRST, {**FIRST.digests(), "web": None})
    wanted = FIRST.digests()["web"]
    assert plan.steps == (Point("web", commit_tags(FIRST)["web"], None, wanted),)


def test_a_tag_with_other_bytes_than_recorded_ends_the_build() -> None:
    """Nothing is overwritten: exit 5, with the tag, what it holds and what it should."""
    with pytest.raises(IntegrityError) as caught:
        build(FIRST, {**FIRST.digests(), "web": digest("other")})
    for fact in (str(commit_tags(FIRST)["web"]), digest("other"), FIRST.digests()["web"]):
        assert fact in caught.value.message


def test_tags_that_nobody_recorded_are_built_anew() -> None:
    """Images from a build that died before it was recorded do not count as built."""
    plan = build(None, {"api": digest("left over"), "web": None})
    assert kinds(plan) == [Bake, RecordRelease]


def test_a_promotion_is_intent_then_pointers_then_outcome() -> None:
    """The intent comes ahead of everything, the outcome after everything."""
    record = running(FIRST)
    begun = operation(SECOND, record)
    plan = plan_promotion(record, SECOND, FIRST, begun, FIRST.digests())
    moves = [
        Point(name, image.tag("staging"), FIRST.digests()[name], image.digest)
        for name, image in SECOND.services.items()
    ]
    assert plan.steps == (
        OpenPromotion("staging", begun),
        *moves,
        ClosePromotion("staging", begun, "done"),
    )


def test_a_pointer_that_is_right_already_does_not_move() -> None:
    """Only services whose bytes change have their pointer moved."""
    record = running(FIRST)
    pointers = {**FIRST.digests(), "web": SECOND.digests()["web"]}
    plan = plan_promotion(record, SECOND, FIRST, operation(SECOND, record), pointers)
    assert [step.service for step in plan.steps if isinstance(step, Point)] == ["api"]


def test_a_promotion_with_nothing_to_do_has_no_steps() -> None:
    """The same release with every pointer right: nothing is written."""
    record = running(FIRST)
    plan = plan_promotion(record, FIRST, FIRST, operation(FIRST, record), FIRST.digests())
    assert plan.steps == ()
    assert "nothing to do" in plan.summary


def test_a_pointer_out_of_step_makes_a_promotion() -> None:
    """The same release with a pointer moved by hand is promoted again, to put it right."""
    record = running(FIRST)
    pointers = {**FIRST.digests(), "web": digest("by hand")}
    plan = plan_promotion(record, FIRST, FIRST, operation(FIRST, record), pointers)
    assert kinds(plan) == [OpenPromotion, Point, ClosePromotion]


def test_containers_out_of_step_make_a_promotion() -> None:
    """The same release that does not run as it should is deployed again."""
    record = running(FIRST)
    begun, out_of_step = operation(FIRST, record), Hosting(deploys=True, in_step=False)
    plan = plan_promotion(record, FIRST, FIRST, begun, FIRST.digests(), out_of_step)
    assert OpenPromotion in kinds(plan)


def test_an_incomplete_release_is_refused() -> None:
    """What is missing is named, with the command that builds it."""
    part = release(2, "web")
    with pytest.raises(PreconditionError, match="api was not built") as caught:
        plan_promotion(empty(), part, None, operation(part), NOTHING)
    assert caught.value.hint == f"inv build --sha {part.sha}"


def test_resume_takes_over_and_does_what_is_left() -> None:
    """Pointers that were moved already stay; the outcome is written by the new holder."""
    record = running(FIRST)
    record = record.opened(operation(SECOND, record))
    assert record.operation is not None
    pointers = {**FIRST.digests(), "api": SECOND.digests()["api"]}
    plan = plan_resume(record, SECOND, FIRST, pointers, "new", "server")
    take, point, close = plan.steps
    assert take == TakeOver("staging", record.operation, "new", "server")
    assert isinstance(point, Point)
    assert point.service == "web"
    assert isinstance(close, ClosePromotion)
    assert (close.outcome, close.operation.id, close.operation.host) == ("done", "new", "server")


def test_abort_puts_every_pointer_back() -> None:
    """Whatever was moved names the release before again, and the outcome is aborted."""
    record = running(FIRST)
    record = record.opened(operation(SECOND, record))
    pointers = {**FIRST.digests(), "api": SECOND.digests()["api"]}
    plan = plan_abort(record, SECOND, FIRST, pointers, "new", "server")
    assert kinds(plan) == [TakeOver, Point, ClosePromotion]
    assert (
        next(step.new for step in plan.steps if isinstance(step, Point)) == FIRST.digests()["api"]
    )
    close = plan.steps[-1]
    assert isinstance(close, ClosePromotion)
    assert close.outcome == "aborted"


def test_abort_of_the_first_promotion_removes_the_pointers() -> None:
    """Where nothing ran before, the pointers that exist are removed, no others."""
    record = empty().opened(operation(FIRST))
    pointers = {"web": FIRST.digests()["web"], "api": None}
    plan = plan_abort(record, FIRST, None, pointers, "new", "server")
    assert plan.steps[1:-1] == (Unpoint("web", FIRST.services["web"].tag("staging")),)


def test_a_service_that_is_new_loses_its_pointer_on_the_way_back() -> None:
    """A service that the release before did not have has no pointer after an abort."""
    old = release(1, expects=("web",))
    record = running(old)
    record = record.opened(operation(SECOND, record))
    plan = plan_abort(record, SECOND, old, SECOND.digests(), "new", "server")
    assert Unpoint("api", SECOND.services["api"].tag("staging")) in plan.steps


def test_a_service_that_is_no_more_loses_its_pointer() -> None:
    """A service that only the release before had is left without a pointer, forward or resumed."""
    record, new = running(FIRST), release(2, expects=("web",))
    begun = operation(new, record)
    gone = Unpoint("api", FIRST.services["api"].tag("staging"))
    assert gone in plan_promotion(record, new, FIRST, begun, FIRST.digests()).steps
    opened = record.opened(begun)
    assert gone in plan_resume(opened, new, FIRST, FIRST.digests(), "new", "server").steps


def test_a_service_that_was_gone_gets_its_pointer_back() -> None:
    """An abort points the services again that the attempt had no use for."""
    record, new = running(FIRST), release(2, expects=("web",))
    pointers = {**new.digests(), "api": None}
    plan = plan_abort(record.opened(operation(new, record)), new, FIRST, pointers, "new", "server")
    assert {step.service for step in plan.steps if isinstance(step, Point)} == {"api", "web"}


def test_without_an_open_promotion_there_is_nothing_to_resume() -> None:
    """What is not in progress cannot be finished."""
    with pytest.raises(PreconditionError, match="no promotion of staging is in progress"):
        plan_resume(running(FIRST), SECOND, FIRST, NOTHING, "new", "server")


def test_without_an_open_promotion_there_is_nothing_to_abort() -> None:
    """What is not in progress cannot be undone."""
    with pytest.raises(PreconditionError, match="no promotion of staging is in progress"):
        plan_abort(running(FIRST), SECOND, FIRST, NOTHING, "new", "server")


def test_what_failed_is_put_back_and_recorded_as_failed() -> None:
    """After a failure the pointers go back, and the record gets the reason."""
    begun = operation(SECOND, running(FIRST))
    steps = put_back("staging", begun, SECOND, FIRST, SECOND.digests(), False, "no answer")
    assert [step.new for step in steps if isinstance(step, Point)] == [*FIRST.digests().values()]
    assert steps[-1] == ClosePromotion("staging", begun, "failed", "no answer")


def test_each_step_is_a_sentence() -> None:
    """What a dry run prints names the image, from what and to what."""
    record = running(FIRST)
    plan = plan_promotion(record, SECOND, FIRST, operation(SECOND, record), {**FIRST.digests()})
    opened, moved, *_, closed = [step.describe() for step in plan.steps]
    assert opened == f"record promotion 2 of staging to {SECOND.sha}: in progress"
    old, new = FIRST.digests()["api"][7:19], SECOND.digests()["api"][7:19]
    assert moved == f"point registry.example.org/api:staging from {old} to {new}"
    assert closed == f"record promotion 2 of staging to {SECOND.sha}: done"
