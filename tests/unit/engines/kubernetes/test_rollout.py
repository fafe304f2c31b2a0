"""How objects are applied and waited for, and what a person reads where they do not come up."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from buildonce.engines.base import always_ours
from buildonce.engines.kubernetes.kubectl import Refused
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.rollout import Rollout
from buildonce.errors import DeployError, UnavailableError
from tests.kit.clock import Clock
from tests.kit.recorded_kubectl import (
    LIVE,
    READ,
    SILENCE,
    Answer,
    Answers,
    Object,
    Recorded,
    Turns,
    applied,
    bound,
    pod,
    thing,
    up,
    workload,
)

API = Manifest(workload("Deployment"))
LIST = "get configmap buildonce-shop"
APPLY = "apply --server-side --field-manager=buildonce --force-conflicts --filename=- --output=json"
WRITE = "apply --server-side --field-manager=buildonce --force-conflicts --filename=-"
EVENTS = "get events"
STARTING = (
    *up(pod(ready=False))[1:],
    workload("Deployment", status={"availableReplicas": 0}),
)
REFUSED = Refused("Error from server (Forbidden): no")


def event(message: str, count: int = 1) -> Object:
    return thing(
        "Event", "e", involvedObject={"uid": "pod/api-1"}, reason="Failed", message=message,
        count=count,
    )  # fmt: skip


NOTHING: Answers = {}


class Deploy:
    """A rollout of one Deployment in a namespace that answers so, with 120 seconds to come up."""

    def __init__(
        self, *states: Answer, answers: Answers = NOTHING,
        still_ours: Callable[[], None] = always_ours,
    ) -> None:  # fmt: skip
        known: dict[str, Answer | Turns] = {
            READ: Turns(*states or (up(),)),
            LIST: "",
            LIVE: [],
            APPLY: [workload("Deployment")],
            WRITE: "",
            EVENTS: [],
            "get nodes": [],
            "delete": "",
            "logs": "last words\n",
            **answers,
        }
        self.kubectl, self.clock = Recorded(answers=known), Clock()
        self.told: list[str] = []
        self.rollout = Rollout(
            self.kubectl, bound(), self.told.append, still_ours, self.clock, self.clock.pause
        )

    def run(self, *found: Object, **settings: bool) -> None:
        live = {Manifest(item).key: item for item in found}
        self.rollout.run([API], [API], live, **settings)

    def failure(self, **settings: bool) -> DeployError:
        with pytest.raises(DeployError) as failed:
            self.run(**settings)
        return failed.value

    def listed(self) -> list[list[str]]:
        """The UIDs in the list of objects, each time that it was written."""
        written = [text for line, text in self.kubectl.calls if line == WRITE]
        return [
            [entry["uid"] for entry in json.loads(json.loads(text)["data"]["objects"])]
            for text in written
        ]


def test_a_deploy_waits_until_all_is_up() -> None:
    """It looks twice a second, and new pods have to stay up for five; then it is done."""
    deploy = Deploy((), STARTING, STARTING, up(pod()))
    deploy.run()
    assert deploy.clock.now == 6.0
    assert len(deploy.kubectl.lines(READ)) == 14
    assert deploy.told == [
        "deployment/api: 0 of 1 pods up",
        "deployment/api: pods up, watched for 5 s",
        "deployment/api: up",
    ]


def test_events_are_read_seldom() -> None:
    """There are many of them: before the deploy, at the first look, and every three seconds."""
    deploy = Deploy((), up(pod()))
    deploy.clock.now = 100
    deploy.run()
    assert len(deploy.kubectl.lines(EVENTS)) == 3


def test_objects_are_listed_before_and_after_they_are_applied() -> None:
    """So that a deploy that ends in between leaves nothing behind that nobody knows of."""
    deploy = Deploy()
    deploy.run()
    assert deploy.listed() == [[""], ["deployment/api"]]
    assert deploy.kubectl.lines("apply") == [WRITE, APPLY, WRITE]


def test_what_is_gone_again_soon_is_not_listed() -> None:
    """A pre-deploy command's Job is no object of the release."""
    deploy = Deploy()
    deploy.run(listed=False)
    assert deploy.listed() == []


def test_others_fields_are_taken_over_first() -> None:
    """So that applying takes back what somebody has set by hand."""
    edited = {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {}}}
    deploy = Deploy(answers={"patch": ""})
    deploy.run(applied(API, managedFields=[edited]))
    changing = [line.split()[0] for line in deploy.kubectl.lines() if line[0] in "ap"]
    assert changing == ["apply", "patch", "apply", "apply"]


def test_a_pod_that_keeps_better_ones_from_starting_is_removed() -> None:
    """Kubernetes does not do it of its own accord; it is told."""
    stuck = pod("api-0", "statefulset/api", template="old", ready=False)
    deploy = Deploy((), (workload("StatefulSet"), stuck), (workload("StatefulSet"),))
    manifests = [Manifest(workload("StatefulSet"))]
    deploy.rollout.run(manifests, manifests, {})
    assert deploy.told == ["removing pod api-0, which blocks the rollout"]
    assert deploy.kubectl.lines("delete") == ["delete pod api-0 --ignore-not-found --wait=false"]


def test_what_does_not_come_up_in_time_fails_with_what_it_waits_for() -> None:
    """The last events and lines of the log come with it, and the command that shows the log."""
    started = [event("old", 1)]
    deploy = Deploy((), STARTING, answers={EVENTS: Turns(started, [event("pull denied", 2)])})
    error = deploy.failure()
    assert error.message == (
        "deployment/api on production (lab/shop) is not up (0 of 1 pods up): api-1 is "
        "not ready: Failed: pull denied, after 120 s"
    )
    assert deploy.clock.now == 120.0
    assert error.service == "deployment/api"
    assert error.log == ("Failed: pull denied", "last words")
    assert error.hint == "kubectl --context=lab --namespace=shop logs api-1 --container=api"


def test_what_never_comes_up_fails_at_once() -> None:
    """A bad image is not waited for; only three events are shown."""
    bad = pod(ready=False, state={"waiting": {"reason": "InvalidImageName", "message": "?"}})
    many = [{**event(str(one)), "metadata": {"uid": str(one)}} for one in range(5)]
    deploy = Deploy((), up(bad), answers={EVENTS: Turns([], many)})
    error = deploy.failure()
    assert error.message.endswith(" cannot start: InvalidImageName: ?")
    assert error.log == ("Failed: 2", "Failed: 3", "Failed: 4", "last words")
    assert deploy.clock.now == 0


def test_without_a_pod_the_hint_describes_the_workload() -> None:
    """There is no log to be had."""
    error = Deploy(()).failure()
    assert error.message.endswith("does not exist, after 120 s")
    assert error.log == ()
    assert error.hint == "kubectl --context=lab --namespace=shop describe deployment/api"


def test_an_api_that_is_silent_by_then_hides_no_failure() -> None:
    """Why the deploy failed is what counts; that there is no log is told in its place."""
    bad = pod(ready=False, state={"waiting": {"reason": "InvalidImageName"}})
    error = Deploy((), up(bad), answers={EVENTS: Turns([], SILENCE)}).failure()
    assert "cannot start: InvalidImageName" in error.message
    assert error.log == (SILENCE.message,)


def test_what_is_up_on_a_silent_node_is_waited_for() -> None:
    """It is asked of nodes only where everything else is up."""
    ready = {"conditions": [{"type": "Ready", "status": "Unknown"}]}
    back = {"conditions": [{"type": "Ready", "status": "True"}]}
    nodes = Turns([thing("Node", "n1", status=ready)], [thing("Node", "n1", status=back)])
    deploy = Deploy(up(pod()), answers={"get nodes": nodes})
    deploy.run()
    assert deploy.clock.now == 0.5
    assert "a node that does not answer" in deploy.told[0]
    failing = Deploy(())
    failing.failure()
    assert failing.kubectl.lines("get nodes") == []


def test_an_environment_that_is_not_ours_any_more_is_left_alone() -> None:
    """It is asked before each look."""
    looks = iter([None, None])

    def still_ours() -> None:
        if next(looks, "gone") == "gone":
            raise KeyboardInterrupt

    deploy = Deploy((), STARTING, still_ours=still_ours)
    with pytest.raises(KeyboardInterrupt):
        deploy.run()
    assert deploy.clock.now == 1.0


def leftovers(*items: Object) -> Answers:
    """The answers of a namespace that has these left over."""
    entries = [
        {"api_version": "v1", "kind": "ConfigMap", "name": one["metadata"]["name"], "uid": ""}
        for one in items
    ]
    found = thing("ConfigMap", "buildonce-shop", data={"objects": json.dumps(entries)})
    return {LIST: found, LIVE: items}


def test_what_the_release_has_not_is_removed_and_forgotten() -> None:
    """It is told, and not waited for."""
    deploy = Deploy(answers=leftovers(applied(Manifest(thing("ConfigMap", "old")))))
    deploy.rollout.prune([API])
    assert deploy.told == ["removing configmap/old, which the release has not"]
    assert "--wait=false" in deploy.kubectl.lines("delete")[0]
    assert deploy.listed() == [[]]


@pytest.mark.parametrize("call", ["prune", "remove"])
def test_what_stays_is_only_noted(call: str) -> None:
    """The release is up; the list still has what was not removed."""
    old = Manifest(thing("ConfigMap", "old"))
    deploy = Deploy(answers={**leftovers(applied(old)), "delete": REFUSED})
    getattr(deploy.rollout, call)([API] if call == "prune" else [old])
    assert deploy.told[-1].startswith("not removed")
    assert REFUSED.message in deploy.told[-1]
    assert deploy.listed() == []


def test_what_was_needed_for_a_moment_is_waited_for() -> None:
    """The next thing of that name may not meet the old one; what is not there is not removed."""
    old = Manifest(thing("ConfigMap", "old"))
    deploy = Deploy(answers=leftovers(applied(old)))
    deploy.rollout.remove([old, Manifest(thing("Job", "gone"))])
    (line,) = deploy.kubectl.lines("delete")
    assert "--wait=true" in line


def test_a_refusal_while_it_is_watched_is_the_error() -> None:
    """A right that was taken away is not waited for."""
    with pytest.raises(UnavailableError, match="Forbidden"):
        Deploy((), REFUSED).run()
