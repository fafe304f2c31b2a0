"""The plan of a build: only what is missing, and never over other bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from buildonce.build.pins import Pins
from buildonce.errors import IntegrityError, PreconditionError
from buildonce.ledger.records.release import Release
from buildonce.plan.building import NEVER_BUILT, Candidate, listed, plan_build, why_built
from buildonce.plan.plans import Plan
from buildonce.plan.pointers import Pointers
from buildonce.plan.steps import Bake, Carried, CarryOver, Point, RecordRelease, Target
from buildonce.refs import ImageRef
from buildonce.registry import Manifest
from tests.kit.samples import commit, digest, image_record, inputs, release

FIRST = release(1)


def commit_tags(of: Release) -> dict[str, ImageRef]:
    return {name: image.tag(of.sha) for name, image in of.services.items()}


TAGS = commit_tags(FIRST)
NEW = {name: Candidate(tag, inputs(name), None, None, NEVER_BUILT) for name, tag in TAGS.items()}
MANIFEST = Manifest(TAGS["web"], b"{}", "plain")
KNOWN = replace(NEW["web"], record=image_record("web", "web 0", number=2), manifest=MANIFEST)


def build(record: Release | None, found: Pointers, *missing: str, fresh: str = "") -> Plan:
    candidates = {name: NEW[name] for name in missing}
    tags = {name: TAGS[name] for name in (*found, *missing)}
    return plan_build(commit(1), FIRST.sha, tags, record, found, candidates, fresh)


def of_known(candidate: Candidate, fresh: str = "") -> Plan:
    """The plan for one service, the image of whose inputs is known."""
    tags = {"web": TAGS["web"]}
    return plan_build(commit(1), FIRST.sha, tags, None, {}, {"web": candidate}, fresh)


def test_what_was_never_built_is_built_at_once_and_recorded() -> None:
    """All services are one step of baking, and one of recording."""
    targets = {name: Target(tag, inputs(name), NEVER_BUILT) for name, tag in TAGS.items()}
    assert build(None, {}, "api", "web").steps == (
        Bake(commit(1), targets),
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
    plan = build(part, part.digests(), "api")
    assert plan.steps == (
        Bake(commit(1), {"api": Target(TAGS["api"], inputs("api"), NEVER_BUILT)}),
        RecordRelease(FIRST.revision, FIRST.sha, ("api",)),
    )


def test_a_lost_tag_is_restored_from_the_record() -> None:
    """Recorded but no longer tagged: the tag is pointed to the recorded digest, no build."""
    plan = build(FIRST, {**FIRST.digests(), "web": None})
    assert plan.steps == (Point("web", TAGS["web"], None, FIRST.digests()["web"]),)


def test_a_tag_with_other_bytes_than_recorded_ends_the_build() -> None:
    """Nothing is overwritten: exit 5, with the tag, what it holds and what it should."""
    with pytest.raises(IntegrityError) as caught:
        build(FIRST, {**FIRST.digests(), "web": digest("other")})
    for fact in (str(TAGS["web"]), digest("other"), FIRST.digests()["web"]):
        assert fact in caught.value.message


def test_a_release_stays_where_it_was_pushed() -> None:
    """With another registry configured, both places are named, and nothing is built."""
    moved = {name: ImageRef.parse(f"elsewhere.example.org/{name}:1") for name in FIRST.services}
    with pytest.raises(PreconditionError) as caught:
        plan_build(commit(1), FIRST.sha, moved, FIRST, FIRST.digests(), {})
    assert caught.value.message == (
        "api of this commit was built as registry.example.org/api, and the configuration says "
        "elsewhere.example.org/api"
    )


def test_what_has_an_image_is_taken_over() -> None:
    """Inputs that were built from another commit are not built: their image is tagged."""
    assert KNOWN.record is not None
    assert of_known(KNOWN).steps == (
        CarryOver({"web": Carried(TAGS["web"], KNOWN.record, MANIFEST)}),
        RecordRelease(FIRST.revision, FIRST.sha, ("web",)),
    )


@pytest.mark.parametrize(
    ("candidate", "fresh", "why"),
    [
        (replace(KNOWN, manifest=None), "", "is gone"),
        (replace(KNOWN, tag=ImageRef.parse("elsewhere.example.org/web:1")), "", "its image is in"),
        (KNOWN, "openssl was patched", "openssl was patched"),
    ],
    ids=["gone", "elsewhere", "fresh"],
)
def test_an_image_that_cannot_be_taken_over_is_built_anew(
    candidate: Candidate, fresh: str, why: str
) -> None:
    """Bytes that are gone or elsewhere, or a wish: another generation, recorded with a reason."""
    baking = of_known(candidate, fresh).steps[0]
    assert isinstance(baking, Bake)
    target = baking.targets["web"]
    assert (target.generation, baking.fresh) == (2, bool(fresh))
    assert why in target.reason


def test_a_fresh_build_of_what_is_new_has_its_reason_too() -> None:
    """Also a first build takes nothing from a cache where that is asked for."""
    baking = of_known(NEW["web"], "nightly").steps[0]
    assert isinstance(baking, Bake)
    assert (baking.fresh, baking.targets["web"].reason) == (True, "nightly")


def test_why_something_is_built() -> None:
    """Files, settings and images from outside are told apart; so is what was not built there."""
    pinned = Pins("python:3", {"python:3": ImageRef.parse(f"python@{digest('new')}")})
    before = image_record("web", "web", sources={"python:3": f"python@{digest('old')}"})
    assert why_built(inputs(), None, 1, "abc") == "abc has no image of it"
    assert why_built(inputs(), before, 2, "abc") == "2 files of its inputs changed since abc"
    assert why_built(inputs(pins=pinned), before, 0, "abc") == (
        "python:3 is another image since abc"
    )
    changed = why_built(inputs(settings="others"), before, 0, "abc")
    assert changed == "its arguments, stage, platform or paths changed since abc"


def test_many_services_are_listed_in_short() -> None:
    """A list of a hundred services names the first of them and says how many more there are."""
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(number) for number in range(100)], most=2) == "0, 1 and 98 more"
