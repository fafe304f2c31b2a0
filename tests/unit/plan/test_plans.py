"""Plans of promotions: pure functions from what was seen to what is to be done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from buildonce.config import Environment
from buildonce.plan.observation import Observation
from buildonce.plan.plans import Plan, plan_abort, plan_promotion, plan_resume
from buildonce.plan.steps import (
    ClosePromotion,
    Confirm,
    Copy,
    Deploy,
    LookAgain,
    OpenPromotion,
    Point,
    PreDeploy,
    Prepare,
    TakeOver,
    Unpoint,
)
from tests.kit.samples import digest, empty, engine, observation, promotion, release, running

FIRST, SECOND = release(1), release(2)
RUNNING = running(FIRST)
BEGUN = promotion(SECOND, RUNNING)
MINE = BEGUN.held_by("new", "server")
MIGRATE = {"service": "api", "command": ("migrate",)}
IMAGE = FIRST.services["web"]
COPY = Copy("web", IMAGE.ref, IMAGE.tag(FIRST.sha), IMAGE.digest, there=False)
WITH_ENGINE = Environment(engine="compose", file="c.yaml", project="p", pre_deploy=MIGRATE)


def seen(**changed: object) -> Observation:
    """Staging, which runs the first release and is to run the second."""
    return observation(SECOND, **{"record": RUNNING, "previous": FIRST, **changed})  # type: ignore[arg-type]


def deploying(**changed: object) -> Observation:
    """The same where containers run."""
    engines = {"engine": engine(SECOND), "way_back": engine(FIRST), "settings": WITH_ENGINE}
    return seen(**{**engines, **changed})


def opened(**changed: object) -> Observation:
    """Staging with the promotion to the second release left open."""
    return seen(**{"record": RUNNING.opened(BEGUN), **changed})


def kinds(plan: Plan) -> list[type]:
    return [type(step) for step in plan.steps]


def test_a_promotion_of_pointers_is_intent_pointers_outcome() -> None:
    """The intent comes ahead of everything, the outcome after everything."""
    moves = [
        Point(name, image.tag("staging"), FIRST.digests()[name], image.digest)
        for name, image in SECOND.services.items()
    ]
    assert plan_promotion(seen(), BEGUN).steps == (
        OpenPromotion(BEGUN),
        *moves,
        ClosePromotion(BEGUN, "done"),
    )


def test_containers_change_before_pointers() -> None:
    """Images are pulled before the intent; pointers move once the containers run."""
    plan = plan_promotion(deploying(), BEGUN)
    assert kinds(plan) == [
        *(Prepare, OpenPromotion, PreDeploy, Deploy, Confirm, Point, Point, ClosePromotion)
    ]


@pytest.mark.parametrize(
    "changed",
    [
        {"begun": BEGUN.model_copy(update={"kind": "rollback"})},
        {"record": running(SECOND)},
        {"settings": Environment(engine="compose", file="c.yaml", project="p")},
    ],
    ids=["rollback", "repair", "not configured"],
)
def test_the_pre_deploy_command_leads_to_another_release_only(changed: dict[str, object]) -> None:
    """It runs neither on the way back, nor for a repair, nor where none is configured."""
    begun = changed.pop("begun", BEGUN)
    plan = plan_promotion(deploying(**changed), begun)  # type: ignore[arg-type]
    assert PreDeploy not in kinds(plan)
    assert Deploy in kinds(plan)


def test_a_pointer_that_is_right_already_does_not_move() -> None:
    """Only services whose bytes change have their pointer moved."""
    pointers = {**FIRST.digests(), "web": SECOND.digests()["web"]}
    plan = plan_promotion(seen(pointers=pointers), BEGUN)
    assert [step.service for step in plan.steps if isinstance(step, Point)] == ["api"]


@pytest.mark.parametrize(
    ("changed", "settled"),
    [
        ({}, True),
        ({"pointers": {**FIRST.digests(), "web": digest("by hand")}}, False),
        ({"in_sync": False}, False),
        ({"copies": (COPY,)}, False),
        ({"record": RUNNING.opened(promotion(FIRST, RUNNING))}, False),
        ({"release": SECOND}, False),
    ],
    ids=["in sync", "pointer", "containers", "copies", "open promotion", "another release"],
)
def test_there_is_nothing_to_do_only_where_all_agree(
    changed: dict[str, object], settled: bool
) -> None:
    """The ledger, every pointer and the containers have to say the same."""
    assert replace(observation(FIRST, RUNNING, FIRST), **changed).is_settled is settled  # type: ignore[arg-type]


def test_resume_takes_over_and_does_what_is_left() -> None:
    """Pointers that were moved already stay; the outcome is written by the new holder."""
    pointers = {**FIRST.digests(), "api": SECOND.digests()["api"]}
    take, point, close = plan_resume(opened(pointers=pointers), BEGUN, MINE).steps
    assert take == TakeOver(BEGUN, MINE)
    assert isinstance(point, Point)
    assert point.service == "web"
    assert close == ClosePromotion(MINE, "done")


def test_abort_deploys_what_ran_before_first() -> None:
    """The containers go back, then every pointer, and the outcome is aborted."""
    pointers = {**FIRST.digests(), "api": SECOND.digests()["api"]}
    plan = plan_abort(deploying(pointers=pointers), BEGUN, MINE, "it burns")
    assert kinds(plan) == [TakeOver, Deploy, Confirm, Point, ClosePromotion, LookAgain]
    (deploy,) = [step for step in plan.steps if isinstance(step, Deploy)]
    (point,) = [step for step in plan.steps if isinstance(step, Point)]
    assert deploy.engine.deployment.sha == FIRST.sha
    assert point.new == FIRST.digests()["api"]
    assert plan.steps[-2] == ClosePromotion(MINE, "aborted", "it burns")


def test_an_abort_that_fails_is_not_put_back() -> None:
    """It has no way back of its own: it stays open, to be aborted again."""
    assert plan_abort(deploying(), BEGUN, MINE, "").way_back is None


def test_abort_of_the_first_promotion_removes_the_pointers() -> None:
    """Where nothing ran before, the pointers that exist are removed, no others."""
    begun = promotion(FIRST)
    pointers = {"web": FIRST.digests()["web"], "api": None}
    first = observation(FIRST, empty().opened(begun), None, pointers)
    plan = plan_abort(first, begun, begun.held_by("new", "server"), "")
    web = FIRST.services["web"]
    assert plan.steps[1:-1] == (Unpoint("web", web.tag("staging"), web.digest),)


def test_a_service_that_is_new_loses_its_pointer_on_the_way_back() -> None:
    """A service that the release before did not have has no pointer after an abort."""
    old = release(1, expects=("web",))
    after = observation(SECOND, running(old), old, SECOND.digests())
    api = SECOND.services["api"]
    plan = plan_abort(after, BEGUN, MINE, "")
    assert Unpoint("api", api.tag("staging"), api.digest) in plan.steps


def test_a_service_that_is_no_more_loses_its_pointer() -> None:
    """A service that only the release before had is left without a pointer, forward or resumed."""
    new = release(2, expects=("web",))
    state = observation(new, RUNNING, FIRST, FIRST.digests())
    api = FIRST.services["api"]
    gone = Unpoint("api", api.tag("staging"), api.digest)
    assert gone in plan_promotion(state, BEGUN).steps
    assert gone in plan_resume(state, BEGUN, MINE).steps


def test_a_service_that_was_gone_gets_its_pointer_back() -> None:
    """An abort points the services again that the attempt had no use for."""
    new = release(2, expects=("web",))
    state = observation(new, RUNNING, FIRST, {**new.digests(), "api": None})
    plan = plan_abort(state, BEGUN, MINE, "")
    assert {step.service for step in plan.steps if isinstance(step, Point)} == {"api", "web"}


def test_the_way_back_deploys_first_and_records_why() -> None:
    """After a failed deploy the containers go back, then the pointers, then the reason."""
    way_back = plan_promotion(deploying(), BEGUN).way_back
    assert way_back is not None
    steps = way_back.steps(BEGUN, SECOND.digests(), redeploy=True, message="no answer")
    assert [type(step) for step in steps] == [Deploy, Confirm, Point, Point, ClosePromotion]
    assert steps[-1] == ClosePromotion(BEGUN, "failed", "no answer")


def test_the_way_back_deploys_only_what_may_have_changed() -> None:
    """Where no container was touched, only pointers go back."""
    way_back = plan_promotion(deploying(), BEGUN).way_back
    assert way_back is not None
    steps = way_back.steps(BEGUN, SECOND.digests(), redeploy=False, message="")
    assert [type(step) for step in steps] == [Point, Point, ClosePromotion]


def test_what_pulls_nothing_has_no_step_for_it() -> None:
    """Where nodes pull during the deploy, neither a promotion nor its resumption says so before."""
    pulling = replace(engine(SECOND), pulls=False)
    for plan in (
        plan_promotion(deploying(engine=pulling), BEGUN),
        plan_resume(opened(engine=pulling), BEGUN, MINE),
    ):
        assert Deploy in kinds(plan)
        assert Prepare not in kinds(plan)


def test_without_a_registry_containers_go_back_alone() -> None:
    """Where pointers cannot be read, a rollback deploys, and leaves them as they are."""
    plan = plan_promotion(
        replace(deploying(), pointers=None), promotion(SECOND, RUNNING, kind="rollback")
    )
    assert kinds(plan) == [Prepare, OpenPromotion, Deploy, Confirm, ClosePromotion]


@pytest.mark.parametrize(("kind", "may_wait"), [("rollback", True), ("promotion", False)])
def test_pointers_wait_for_the_registry_on_the_way_back_alone(kind: str, may_wait: bool) -> None:
    """A promotion that moved no pointer has not succeeded; a rollback of containers has."""
    plan = plan_promotion(deploying(), promotion(SECOND, RUNNING, kind=kind))
    points = [step for step in plan.steps if isinstance(step, Point)]
    assert points
    assert {step.may_wait for step in points} == {may_wait}
