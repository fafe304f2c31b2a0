"""What is read of a namespace, with how many calls, and what belongs to what."""

from __future__ import annotations

import json
from typing import Any

import pytest

from buildonce.engines.kubernetes.kubectl import Refused
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.state import State, live, read, silent_nodes
from tests.kit.recorded_kubectl import (
    LIVE,
    READ,
    Object,
    Recorded,
    pod,
    replica_set,
    thing,
    up,
    workload,
)

ALPHA = "argoproj.io/v1alpha1"


def cluster() -> Recorded:
    """A cluster that has every object of the kinds that it knows."""

    def found(text: str) -> list[Object] | Exception:
        wanted: list[Object] = json.loads(text)["items"]
        if any(one["apiVersion"] == ALPHA for one in wanted):
            return Refused(f'error: no matches for kind "Rollout" in version "{ALPHA}"')
        return wanted

    return Recorded(answers={LIVE: found})


def test_a_hundred_objects_are_read_with_one_call() -> None:
    """However many there are, one process reads them; for none there is no call."""
    wanted = [Manifest(thing("ConfigMap", f"c{number}")) for number in range(100)]
    kubectl = cluster()
    assert live(kubectl, []) == {}
    assert list(live(kubectl, wanted)) == [one.key for one in wanted]
    assert len(kubectl.calls) == 1


def test_a_kind_that_the_cluster_has_not_has_no_objects() -> None:
    """A definition (CRD) that is not installed, or not any more, hides no other object."""
    items = (
        thing("ConfigMap", "settings"),
        thing("Rollout", "api", version=ALPHA),
        thing("Rollout", "api", version="example.org/v1"),
    )
    assert list(live(cluster(), map(Manifest, items))) == [
        "ConfigMap/settings", "example.org/Rollout/api",
    ]  # fmt: skip


def test_any_other_refusal_is_passed_on() -> None:
    """What may not be read is not what is not there."""
    with pytest.raises(Refused, match="Forbidden"):
        live(Recorded(answers={LIVE: Refused("(Forbidden)")}), [Manifest(thing("Secret", "a"))])


def test_the_state_of_a_project_is_read_by_its_label() -> None:
    """One call for all kinds; objects of others are not even asked for."""
    kubectl = Recorded(answers={READ: up(pod())})
    state = read(kubectl, "shop")
    assert kubectl.lines()[0].startswith(f"{READ} --selector=buildonce/project=shop")
    assert [one.name for one in state.pods] == ["api-1"]
    assert state.find(Manifest(workload("Deployment"))) == workload("Deployment")
    assert state.find(Manifest(workload("StatefulSet"))) is None


def node(name: str, *conditions: tuple[str, str]) -> Object:
    listed = [{"type": kind, "status": status} for kind, status in conditions]
    return thing("Node", name, status={"conditions": listed} if listed else {})


def test_nodes_that_do_not_answer_are_known_by_their_readiness() -> None:
    """Unknown is silent as well; who may not look at nodes takes all for ready."""
    nodes = (
        node("n1", ("MemoryPressure", "False"), ("Ready", "True")),
        node("n2", ("MemoryPressure", "Unknown"), ("Ready", "Unknown")),
        node("n3", ("Ready", "False")),
        node("n4"),
    )
    assert silent_nodes(Recorded(answers={"get nodes": nodes})) == {"n2", "n3"}
    assert silent_nodes(Recorded(answers={"get nodes": Refused("(Forbidden)")})) == frozenset()


def current(kind: str, *items: Object, **rest: Any) -> list[str]:
    """The pods of the newest template."""
    made = workload(kind, **rest)
    return [one.name for one in State((made, *items)).current(made)]


NEWER = pod("api-2")
OLDER = pod("api-1", by="replicaset/api-old", template="old")


def test_going_back_makes_an_old_replica_set_the_newest() -> None:
    """Its revision number decides; pods of the other one, and those about to end, do not count."""
    sets = (replica_set("new", "1"), replica_set("old", "2"))
    ending = pod("api-3", by="replicaset/api-old", template="old", deletionTimestamp="now")
    assert current("Deployment", *sets, OLDER, NEWER, ending) == ["api-1"]
    both = State((workload("Deployment"), *sets, OLDER, NEWER, ending))
    assert len(both.of(workload("Deployment"))) == 3


@pytest.mark.parametrize("sets", [(), (replica_set("new", "1"),)])
def test_before_its_replica_set_is_there_a_deployment_has_no_current_pods(
    sets: tuple[Object, ...],
) -> None:
    """Those of the template before are not taken for its own."""
    assert current("Deployment", *sets, NEWER) == []
    assert State(sets).newest_replica_set(workload("Deployment")) is None


def revision(number: int, template: str) -> Object:
    metadata = {"labels": {"controller-revision-hash": template}}
    return thing(
        "ControllerRevision", f"api-{template}", "daemonset/api", metadata=metadata,
        revision=number,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "items", "status", "names"),
    [
        ("StatefulSet", (), {"updateRevision": "new"}, ["api-new"]),
        ("StatefulSet", (), {"updateRevision": "old"}, ["api-old"]),
        ("DaemonSet", (revision(10, "new"), revision(9, "old")), {}, ["api-new"]),
        ("DaemonSet", (revision(1, "new"), revision(2, "old")), {}, ["api-old"]),
        ("DaemonSet", (), {}, []),
        ("Job", (), {}, ["api-new", "api-old"]),
    ],
)
def test_pods_of_the_newest_template_are_known_by_its_hash(
    kind: str, items: tuple[Object, ...], status: dict[str, str], names: list[str]
) -> None:
    """The kind's controller says which one that is; a Job has one template for ever."""
    by = f"{kind.lower()}/api"
    pods = (pod("api-new", by), pod("api-old", by, template="old"))
    assert current(kind, *items, *pods, pod("other", "job/other"), status=status) == names


def test_a_workload_without_a_status_has_no_current_pods() -> None:
    """Its controller has not seen it yet, whoever its pods are."""
    made = {**workload("StatefulSet"), "status": None}
    assert State((made, pod(by="statefulset/api"))).current(made) == []


def test_a_pod_of_its_own_is_its_own_workload() -> None:
    """Nothing controls it, and it has no template."""
    alone = pod("api", by="", template="")
    assert [one.name for one in State((alone, OLDER)).current(alone)] == ["api"]
