"""Each step as the sentence that a dry run and the progress show."""

from __future__ import annotations

import pytest

from buildonce.config import Environment
from buildonce.ledger.records.deployment import DeploymentRecord, PlaceRecord
from buildonce.ledger.snapshot import deployed_path
from buildonce.plan import steps
from buildonce.refs import Digest, ImageRef
from buildonce.registry import Manifest
from buildonce.report.sentences import astray, changed_policy, describe, sentences
from tests.kit.samples import (
    commit,
    engine,
    image_record,
    inputs,
    ledger,
    observation,
    promotion,
    release,
    running,
)

FIRST, SECOND = release(1), release(2)
BEGUN = promotion(SECOND, running(FIRST))
IMAGE = SECOND.services["api"]
OLD = FIRST.services["api"].digest
TAG = IMAGE.tag("staging")
SHA = SECOND.sha
ENGINE = engine(SECOND)
TARGET = steps.Target(IMAGE.tag(SHA), inputs(), "")
MANIFEST = Manifest(IMAGE.ref, b"{}", "plain")
CARRIED = steps.Carried(IMAGE.tag(SHA), image_record("api", "api 1"), MANIFEST)


def copy(service: str, *, there: bool = False) -> steps.Copy:
    """An image on its way to the registry that an environment pulls from."""
    image = SECOND.services[service]
    tag = ImageRef.parse(f"own.example.org/{service}:{SHA}")
    return steps.Copy(service, image.ref, tag, image.digest, there)


def brief(digest: Digest) -> str:
    return digest[7:19]


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (
            steps.RetireEnvironment("qa", "gone"),
            "retire qa in the ledger",
        ),
        (steps.Bake(commit(2), {"api": TARGET}), f"build api once from {SHA} and push"),
        (steps.CarryOver({"api": CARRIED}), f"reuse api, unchanged, as {SHA}"),
        (steps.Import({"api": CARRIED}), f"import api, built elsewhere, as {SHA}"),
        (steps.RecordRelease("r", SHA, ("api",)), f"record release {SHA} (api) in the ledger"),
        (steps.Prepare(ENGINE), f"pull {SHA} on staging"),
        (
            steps.PreDeploy(ENGINE, "api", ("migrate",)),
            f"run the pre-deploy command of {SHA} on staging",
        ),
        (steps.Deploy(ENGINE), f"deploy {SHA} to staging and wait until it is healthy"),
        (steps.Confirm(ENGINE), f"check that staging runs the bytes of {SHA}"),
        (steps.LookAgain(ENGINE), f"check again that staging still runs {SHA}"),
        (
            steps.Point("api", TAG, OLD, IMAGE.digest),
            f"move {TAG} from {brief(OLD)} to {brief(IMAGE.digest)}",
        ),
        (
            steps.Point("api", TAG, None, IMAGE.digest),
            f"move {TAG} from nothing to {brief(IMAGE.digest)}",
        ),
        (
            steps.CopyImages("live", (copy("api"), copy("web", there=True))),
            "copy api to own.example.org, which live pulls from, and tag 1 image that is there",
        ),
        (
            steps.CopyImages("live", (copy("api"), copy("web"))),
            "copy api, web to own.example.org, which live pulls from",
        ),
        (
            steps.CopyImages("live", (copy("api", there=True), copy("web", there=True))),
            "tag 2 images that are there already in own.example.org, which live pulls from",
        ),
        (steps.Unpoint("api", TAG, OLD), f"remove the pointer {TAG}"),
        (
            steps.OpenPromotion(BEGUN),
            f"record promotion 2 of staging to {SHA}: in progress",
        ),
        (steps.TakeOver(BEGUN, BEGUN), f"take over promotion 2 of staging to {SHA}"),
        (
            steps.ClosePromotion(BEGUN, "failed"),
            f"record promotion 2 of staging to {SHA}: failed",
        ),
        (
            steps.PruneReleases((SHA,), frozenset()),
            f"mark release {SHA} as pruned in the ledger",
        ),
        (steps.RemoveTag(SHA, TAG), f"remove the tag {TAG}"),
        (
            steps.ForgetReleases({SHA: [TAG], FIRST.sha: []}),
            "remove 2 releases from the ledger: the tags are gone",
        ),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_a_step_is_a_sentence(step: steps.Step, sentence: str) -> None:
    """It names what is changed, from what and to what."""
    assert describe(step) == sentence


def test_many_neighbours_of_a_kind_are_one_sentence() -> None:
    """A hundred pointers do not fill the screen; a few are told one by one."""
    points = [
        steps.Point(f"s{n}", IMAGE.tag("staging"), None, IMAGE.digest)
        for n in range(steps.MANY + 1)
    ]
    opening = steps.OpenPromotion(BEGUN)
    assert sentences([opening, *points]) == [
        describe(opening),
        f"move {steps.MANY + 1} pointers of staging: s0, s1, s2 and {steps.MANY - 2} more",
    ]
    assert sentences(points[:2]) == [describe(points[0]), describe(points[1])]


def test_a_pointer_that_is_not_what_the_ledger_says_is_named() -> None:
    """Each with what it names and what it should: the promotion is going to overwrite it."""
    moved = {**FIRST.digests(), "api": IMAGE.digest}
    seen = observation(SECOND, previous=FIRST, pointers=moved)
    assert astray(seen) == [
        f"{TAG} names {brief(IMAGE.digest)}; by the ledger it should be {brief(OLD)}"
    ]


def test_pointers_that_are_what_the_ledger_says_are_no_news() -> None:
    """A promotion of an environment in sync says nothing of the pointers that it moves."""
    assert astray(observation(SECOND, previous=FIRST)) == []


def test_a_setting_that_was_another_at_the_last_deployment_is_named() -> None:
    """What was set, what was not, and what is gone; what stayed is no news."""
    today = Environment(soak="1h", after="qa", url="https://live.example.org")
    before = {**today.policy, "soak": '"PT30M"', "branches": '["main"]'}
    del before["url"]
    record = DeploymentRecord(
        release=FIRST.sha, place=PlaceRecord(engine="none"), policy=before, salt="salt"
    )
    seen = observation(SECOND, settings=today, snapshot=ledger({deployed_path("staging"): record}))
    assert changed_policy(seen) == [
        f"staging: {name} is {now} in this checkout, and was {then} when {FIRST.sha} was deployed"
        for name, now, then in (
            ("branches", "not set", '["main"]'),
            ("soak", today.policy["soak"], '"PT30M"'),
            ("url", '"https://live.example.org"', "not set"),
        )
    ]


def test_before_the_first_deployment_no_setting_was_another() -> None:
    """Nothing is said where nothing was recorded."""
    assert changed_policy(observation(SECOND, settings=Environment(soak="1h", after="qa"))) == []
