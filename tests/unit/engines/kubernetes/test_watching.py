"""When a release is up, what is said while it comes up, and when it never will."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.state import State
from buildonce.engines.kubernetes.watching import Failing, Watch
from buildonce.engines.kubernetes.workloads import EXCEEDED
from tests.kit.clock import Clock
from tests.kit.recorded_kubectl import OLD, Object, bound, pod, thing, up, workload

NO_NODE = "0/1 nodes are available: 1 Insufficient memory."
CRASHED = {"waiting": {"reason": "CrashLoopBackOff"}}
COMPLETE = {"conditions": [{"type": "Complete", "status": "True"}]}
QUOTA = 'FailedCreate: pods "api-2" is forbidden: exceeded quota'
MOUNT = 'FailedMount: configmap "settings" not found'
SHORT = {"replicas": 0, "updatedReplicas": 0, "availableReplicas": 0}


NOTHING: Mapping[str, Sequence[str]] = {}


class Watched:
    """A release of one workload that is watched, beside another object that runs nothing."""

    def __init__(self, kind: str = "Deployment", before: tuple[Object, ...] = ()) -> None:
        self.clock = Clock()
        self.told: list[str] = []
        wanted = [Manifest(thing("ConfigMap", "settings")), Manifest(workload(kind))]
        self.watch = Watch(bound(), wanted, State(before), self.told.append, self.clock)

    def look(
        self, *items: Object, at: float = 0, warned: Mapping[str, Sequence[str]] = NOTHING
    ) -> list[str]:
        """What is not up yet when the clock shows this; warnings are by UID."""
        self.clock.now = at
        return [str(one) for one in self.watch.look(State(items), warned)]


def test_new_pods_must_stay_up_for_a_while() -> None:
    """A deploy is done once they have been up for five seconds; that is told, and told once."""
    watched = Watched()
    waiting = ["deployment/api is not up (pods up, watched for 5 s)"]
    assert watched.look(*up(pod())) == waiting
    assert watched.look(*up(pod()), at=4.9) == waiting
    assert watched.look(*up(pod()), at=5) == []
    assert watched.look(*up(pod()), at=6) == []
    assert watched.told == ["deployment/api: pods up, watched for 5 s", "deployment/api: up"]


def test_the_while_begins_anew_with_each_restart() -> None:
    """Time before a restart does not count."""
    watched = Watched()
    watched.look(*up(pod()))
    assert watched.look(*up(pod(restarts=1)), at=5)
    assert watched.look(*up(pod(restarts=1)), at=10) == []


@pytest.mark.parametrize(
    ("before", "waits"),
    [
        (pod(), False),
        (pod(ready=False), True),
        (pod(restarts=1), True),
        (pod("api-2"), True),
        (pod(phase="Failed"), False),
    ],
)
def test_pods_that_were_up_before_are_up(before: Object, waits: bool) -> None:
    """Nothing is said of what is kept; what was not ready, or was started again, is new."""
    watched = Watched(before=up(before))
    assert bool(watched.look(*up(pod()))) == waits
    assert bool(watched.told) == waits


def test_a_pod_that_is_over_is_not_watched() -> None:
    """One that was evicted stays in the list beside the one that took its place."""
    watched = Watched(before=up(pod()))
    over = pod("api-0", ready=False, phase="Failed", state={"terminated": {"exitCode": 0}})
    assert watched.look(*up(over, pod())) == []


def test_a_job_that_is_complete_is_not_watched_any_longer() -> None:
    """Its pods have ended, so that there is nothing that could crash."""
    watched = Watched("Job")
    ended = pod(by="job/api", ready=False, state={"terminated": {"exitCode": 0}})
    assert watched.look(workload("Job", status=COMPLETE), ended) == []


def test_a_workload_that_is_not_there_is_waited_for() -> None:
    """An object that runs no pods is not."""
    assert Watched().look() == ["deployment/api does not exist"]


@pytest.mark.parametrize(
    ("runs", "container", "waits"),
    [
        (OLD, "api", "api-1 runs bbbbbbbbbbbb, not aaaaaaaaaaaa"),
        (OLD, "injected", ""),
        ("", "api", ""),
    ],
)
def test_a_pod_of_other_bytes_is_waited_for(runs: str, container: str, waits: str) -> None:
    """What the cluster puts into pods, or does not know the digest of yet, is no such thing."""
    running = up(pod(runs=runs, container=container))
    found = Watched(before=running).look(*running)
    assert found == ([f"deployment/api is not up ({waits})"] if waits else [])


@pytest.mark.parametrize(
    ("kind", "before", "crashes", "fails"),
    [
        ("Deployment", 0, 2, True),
        ("Deployment", 0, 1, False),
        ("Deployment", 3, 5, False),
        ("Deployment", 3, 6, True),
        ("Job", 0, 9, False),
    ],
)
def test_crashes_of_the_release_are_a_failure(
    kind: str, before: int, crashes: int, fails: bool
) -> None:
    """Three of a container that was up before count from there; a Job has limits of its own."""
    by = "job/api" if kind == "Job" else "replicaset/api-new"
    watched = Watched(kind, up(pod(by=by, state=CRASHED, restarts=before)) if before else ())
    found = pod(by=by, ready=False, state=CRASHED, restarts=crashes)
    items = (*up(found), workload("Job", status={"active": 1}))
    if not fails:
        watched.look(*items)
        return
    with pytest.raises(Failing, match="deployment/api has crashed 3 times") as failing:
        watched.look(*items)
    assert failing.value.pod
    assert failing.value.container
    assert (failing.value.pod.name, failing.value.container.name) == ("api-1", "api")


def test_crashes_of_another_container_are_not_its_own() -> None:
    """A container that was not in the pod before has not crashed before."""
    watched = Watched(before=up(pod(state=CRASHED, restarts=3, container="other")))
    with pytest.raises(Failing, match="has crashed 3 times"):
        watched.look(*up(pod(ready=False, state=CRASHED, restarts=2)))


def test_a_pod_that_cannot_start_fails_after_a_while() -> None:
    """What may pass is given fifteen seconds from its first warning, whatever comes after it."""
    watched, starting = Watched(), up(pod(ready=False, state={}))
    for at in (0, 14.9):
        watched.look(*starting, at=at, warned={"pod/api-1": [MOUNT]})
    with pytest.raises(Failing, match="deployment/api cannot start: FailedMount: ") as failing:
        watched.look(*starting, at=15, warned={"pod/api-1": [MOUNT, "BackOff: later"]})
    assert failing.value.pod
    assert failing.value.pod.name == "api-1"


@pytest.mark.parametrize(
    ("ready", "warning"), [(False, "Unhealthy: Readiness probe failed"), (True, MOUNT)]
)
def test_other_warnings_are_no_failure(ready: bool, warning: str) -> None:
    """A probe that fails is what being waited for looks like; a ready pod has overcome its own."""
    watched = Watched()
    for at in (0, 60):
        watched.look(*up(pod(ready=ready)), at=at, warned={"pod/api-1": [warning]})


def test_a_warning_that_went_away_begins_anew() -> None:
    """A pod that was ready in between has its fifteen seconds again."""
    watched = Watched()
    for at, ready in ((0, False), (14, True), (28, False), (42, False)):
        watched.look(*up(pod(ready=ready)), at=at, warned={"pod/api-1": [MOUNT]})


@pytest.mark.parametrize(
    ("kind", "uid"), [("Deployment", "replicaset/api-new"), ("DaemonSet", "daemonset/api")]
)
def test_a_workload_that_gets_no_pods_fails_after_a_while(kind: str, uid: str) -> None:
    """The warning is the ReplicaSet's where there is one, or else the workload's own."""
    watched = Watched(kind)
    items = (*up(), workload("DaemonSet", status={"desiredNumberScheduled": 1}))
    watched.look(*items, at=10, warned={uid: [QUOTA]})
    watched.look(*items, at=24.9, warned={uid: [QUOTA]})
    with pytest.raises(Failing, match=f"{kind.lower()}/api gets no pods: FailedCreate: "):
        watched.look(*items, at=25, warned={uid: [QUOTA]})


def test_a_workload_that_has_all_pods_is_not_short_of_them() -> None:
    """What its ReplicaSet once could not make has been made since."""
    watched = Watched(before=up(pod()))
    for at in (0, 15):
        assert watched.look(*up(pod()), at=at, warned={"replicaset/api-new": [QUOTA]}) == []


def given_up(generation: int = 2) -> tuple[Object, ...]:
    """The Deployment after its own deadline, of this generation, with a good and a bad pod."""
    late = [{"type": "Progressing", "status": "False", "reason": EXCEEDED}]
    changed = workload(
        "Deployment", status={"conditions": late, "updatedReplicas": 0},
        metadata={"generation": generation},
    )  # fmt: skip
    return (*up()[1:], changed, pod(), pod("api-2", ready=False))


@pytest.mark.parametrize("before", [(), up(), given_up(generation=1)])
def test_what_its_controller_gave_up_is_a_failure(before: tuple[Object, ...]) -> None:
    """The pod that is not ready shows why."""
    with pytest.raises(Failing, match="api made no progress within") as failing:
        Watched(before=before).look(*given_up())
    assert failing.value.pod
    assert failing.value.pod.name == "api-2"


def test_what_was_given_up_before_is_waited_for() -> None:
    """A Deployment that nothing has changed since may well come up now."""
    assert Watched(before=given_up()).look(*given_up())


def test_a_job_that_failed_without_a_pod_is_a_failure() -> None:
    """Its pods may be gone by then."""
    failed = [{"type": "Failed", "status": "True", "reason": "Deadline", "message": "late"}]
    with pytest.raises(Failing, match="job/api failed: Deadline: late") as failing:
        Watched("Job").look(workload("Job", status={"conditions": failed}))
    assert failing.value.pod is None


@pytest.mark.parametrize(
    ("pods", "told"),
    [
        ([], ""),
        ([pod()], ""),
        ([pod(), pod("api-2", ready=False, state={"waiting": {"reason": "Creating"}})],
         ": api-2 is Creating: Unhealthy: no answer"),
        ([pod("api-2", ready=False, container="")], ": api-2 is not ready: Unhealthy: no answer"),
        ([pod("api-2", ready=False, phase="Failed")], ""),
        ([pod("api-2", ready=False, message=NO_NODE)], f": {NO_NODE}"),
    ],
)  # fmt: skip
def test_what_is_not_up_is_told_with_the_pod_that_shows_why(pods: list[Object], told: str) -> None:
    """Its container's condition and the last warning; a pod that is over shows nothing."""
    deployment = workload("Deployment", status=SHORT)
    warnings = {"pod/api-2": ["Older: warning", "Unhealthy: no answer"]}
    (found,) = Watched().look(*up(*pods)[1:], deployment, warned=warnings)
    assert found == f"deployment/api is not up (0 of 1 pods up){told}"


def test_the_container_that_is_not_ready_is_the_one_to_show() -> None:
    """Its log is of use, not the one of a container beside it; without any it is the pod."""
    starting = pod(ready=False)
    starting["spec"]["containers"].insert(0, {"name": "proxy"})
    starting["status"]["containerStatuses"].insert(
        0, {"name": "proxy", "ready": True, "state": {"running": {}}}
    )
    items = (*up(starting)[1:], workload("Deployment", status=SHORT))
    (waiting,) = Watched().watch.look(State(items), {})
    assert waiting.container
    assert waiting.container.name == "api"
    starting["status"]["containerStatuses"][1]["ready"] = True
    (waiting,) = Watched().watch.look(State(items), {})
    assert waiting.container is None
    assert str(waiting).endswith("api-1 is Running")


@pytest.mark.parametrize("kind", ["Job", "ReplicaSet"])
def test_a_pod_that_fits_nowhere_is_told_while_it_is_waited_for(kind: str) -> None:
    """A Job without a limit waits for ever: pod and reason are said at once, and once."""
    watched = Watched(kind)
    pending = pod(by=f"{kind.lower()}/api", ready=False, phase="Pending", message=NO_NODE)
    for _ in range(2):
        assert watched.look(workload(kind, status=SHORT), pending)
    (line,) = watched.told
    assert line.startswith(f"{kind.lower()}/api: ")
    assert line.endswith(f"pod api-1 has no node: {NO_NODE}")


def test_what_is_up_on_a_silent_node_is_waited_for() -> None:
    """What a node last said of its pods proves nothing while it does not answer: it may be back."""
    watched, present = Watched(), State(up(pod("api-0", node="n2"), pod()))
    for _ in range(2):
        (waiting,) = watched.watch.unproven(present, {"n1"})
    assert str(waiting) == (
        "deployment/api is not proven to be up: pod api-1 is on n1, a node that does not answer"
    )
    assert waiting.pod
    assert waiting.pod.name == "api-1"
    assert watched.told == ["deployment/api: pod api-1 is on n1, a node that does not answer"]
    assert watched.watch.unproven(present, {"n3"}) == []
    assert watched.watch.unproven(State(()), {"n1"}) == []
    assert watched.watch.unproven(State(up(pod(phase="Succeeded"))), {"n1"}) == []


@pytest.mark.parametrize(
    ("kind", "found", "seen", "stuck"),
    [
        ("StatefulSet", {"template": "old", "ready": False}, 2, True),
        ("StatefulSet", {"template": "old", "ready": False}, 1, False),
        ("StatefulSet", {"template": "new", "ready": False}, 2, False),
        ("StatefulSet", {"template": "old", "ready": True}, 2, False),
        ("StatefulSet", {"template": "old", "ready": False, "deletionTimestamp": "now"}, 2, False),
        ("DaemonSet", {"template": "old", "ready": False}, 2, False),
    ],
)
def test_a_pod_that_keeps_better_ones_away_is_stuck(
    kind: str, found: dict[str, Any], seen: int, stuck: bool
) -> None:
    """One of an earlier template that is not ready, once its controller has seen the change."""
    watch = Watched(kind).watch
    judged = pod(by=f"{kind}/api".lower(), **found)
    items = (workload(kind, status={"observedGeneration": seen}), judged)
    assert [one.name for one in watch.stuck(State(items))] == (["api-1"] if stuck else [])
    assert list(watch.stuck(State(()))) == []
