"""What runs in a namespace, measured against a release."""

from __future__ import annotations

from typing import Any

import pytest

from buildonce.engines.base import Running
from buildonce.engines.kubernetes.evidence import OBJECT, TEMPLATE, Evidence
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.state import State
from tests.kit.recorded_kubectl import IMAGE, OLD, Object, bound, pod, replica_set, thing, workload

SETS = (replica_set("old", "1"), replica_set("new", "2"))
ENDED = {"terminated": {"exitCode": 0}}


def rows(
    *items: Object, kind: str = "Deployment", live: bool = True,
    leftovers: tuple[Object, ...] = (), **spec: Any,
) -> list[Running]:  # fmt: skip
    """What is found of one workload, but for the rows of objects themselves."""
    made = workload(kind, spec=spec)
    manifest = Manifest(made)
    found = Evidence(
        bound(), [manifest], {manifest.key: made} if live else {},
        State((made, *SETS, *items)), leftovers, frozenset({"n9"}),
    ).rows()  # fmt: skip
    assert found[0].source == OBJECT
    return found[1:]


def said(*items: Object, **settings: Any) -> list[str]:
    return [f"{one.container}: {one.problem or one.state}" for one in rows(*items, **settings)]


def test_a_pod_of_the_release_holds() -> None:
    """It is its service's, by the digest that the kubelet reports."""
    (row,) = rows(pod())
    assert (row.service, row.container, row.problem) == ("api", "api-1/api", "")
    (row,) = rows(pod(runs=OLD))
    assert row.problem == "runs bbbbbbbbbbbb, not aaaaaaaaaaaa"


def test_pods_that_are_missing_are_counted() -> None:
    """Those that are over are not there; those of an earlier template are, and are too many."""
    over = pod("api-2", phase="Failed", state=ENDED, ready=False)
    assert said(pod(), over, replicas=3) == ["api-1/api: running", *["a pod: is missing"] * 2]
    former = pod("api-0", "replicaset/api-old", template="old", runs=OLD)
    assert said(pod(), former) == [
        "api-1/api: running", "api-0/api: runs bbbbbbbbbbbb, not aaaaaaaaaaaa",
    ]  # fmt: skip


@pytest.mark.parametrize("ended", [{"deletionTimestamp": "now"}, {"phase": "Succeeded"}])
def test_pods_of_an_earlier_template_that_end_are_not_told(ended: dict[str, Any]) -> None:
    """They are about to be gone."""
    former = pod("api-0", "replicaset/api-old", template="old", runs=OLD, **ended)
    assert said(pod(), former) == ["api-1/api: running"]


def test_what_keeps_a_pod_from_being_seen_is_told() -> None:
    """A node that does not answer, or none at all."""
    assert said(pod(node="n9")) == ["api-1/api: is on n9, a node that does not answer"]
    assert said(pod(message="no room")) == ["api-1/api: is pending: no room"]
    assert said(pod(ready=False)) == ["api-1/api: is not ready"]


def test_a_container_that_the_cluster_puts_into_pods_is_not_judged() -> None:
    """It is noted, whatever it does."""
    (row,) = rows(pod(container="injected", ready=False, runs=OLD))
    assert (row.problem, row.expected, row.service) == ("", None, "deployment/api")


@pytest.mark.parametrize(
    ("code", "phase", "state"),
    [
        (0, "Succeeded", "completed"),
        (0, "Running", "is ended (exit code 0)"),
        (3, "Failed", "is ended (exit code 3)"),
    ],
)
def test_a_job_is_judged_by_how_its_pods_ended(code: int, phase: str, state: str) -> None:
    """They stay in the list when they are over."""
    ended = {"terminated": {"exitCode": code}}
    found = said(pod(by="job/api", phase=phase, state=ended, ready=False), kind="Job")
    assert found == [f"api-1/api: {state}"]


def test_what_is_scaled_to_zero_is_judged_by_its_template() -> None:
    """The object has it, where there is one."""
    (row,) = rows(replicas=0)
    assert (row.source, row.container, row.problem) == (TEMPLATE, "deployment/api/api", "")
    assert row.digest == row.expected
    assert rows(replicas=0, live=False) == []


def test_a_container_of_others_is_no_row_of_a_template() -> None:
    """Without a digest nothing could be told of it."""
    spec = {"containers": [{"name": "api", "image": IMAGE}, {"name": "db", "image": "postgres"}]}
    (row,) = rows(replicas=0, template={"spec": spec})
    assert row.container == "deployment/api/api"


def test_what_is_not_the_releases_is_a_stray() -> None:
    """An object that an earlier release left, and a pod of nobody's, with how to remove it."""
    old = thing("ConfigMap", "old")
    (left, alone) = rows(pod("lost", by=""), leftovers=(old,), replicas=0)[1:]
    assert (left.service, left.problem) == (
        "configmap/old",
        "does not belong to the release (exists)",
    )
    assert alone.problem == "does not belong to the release (running)"
    assert alone.remedy == "kubectl --context lab --namespace shop delete pod lost"


@pytest.mark.parametrize(
    "settings", [{"phase": "Succeeded"}, {"phase": "Failed"}, {"deletionTimestamp": "now"}]
)
def test_a_pod_that_ends_is_no_stray(settings: dict[str, Any]) -> None:
    """It removes itself, or does nothing any more."""
    assert said(pod("lost", by="", **settings), replicas=0) == ["deployment/api/api: running"]


def test_a_pod_that_is_left_over_is_told_once() -> None:
    """As the object that it is."""
    lost = pod("lost", by="")
    assert [one.service for one in rows(lost, leftovers=(lost,), replicas=0)] == ["api", "pod/lost"]
