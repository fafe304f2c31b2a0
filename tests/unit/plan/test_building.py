"""The plan of a build: only what is missing, and never over other bytes."""

from __future__ import annotations

import pytest

from buildonce.build.pins import Pins
from buildonce.errors import IntegrityError
from buildonce.ledger.records.release import Release
from buildonce.plan.building import plan_build
from buildonce.plan.plans import Plan
from buildonce.plan.pointers import Pointers
from buildonce.plan.steps import Bake, Point, RecordRelease
from buildonce.refs import ImageRef
from tests.kit.samples import commit, digest, release

FIRST = release(1)
PINS = {"api": Pins(None, {}), "web": Pins(None, {})}
NOTHING: Pointers = {"api": None, "web": None}


def commit_tags(of: Release) -> dict[str, ImageRef]:
    return {name: image.tag(of.sha) for name, image in of.services.items()}


def build(record: Release | None, found: Pointers, *services: str) -> Plan:
    tags = {name: ref for name, ref in commit_tags(FIRST).items() if name in (services or found)}
    return plan_build(commit(1), FIRST.sha, tags, record, found, PINS)


def kinds(plan: Plan) -> list[type]:
    return [type(step) for step in plan.steps]


def test_what_was_never_built_is_built_at_once_and_recorded() -> None:
    """All services are one step of baking, and one of recording."""
    plan = build(None, NOTHING)
    assert plan.steps == (
        Bake(commit(1), commit_tags(FIRST), PINS),
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
        Bake(commit(1), {"api": commit_tags(FIRST)["api"]}, {"api": PINS["api"]}),
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
