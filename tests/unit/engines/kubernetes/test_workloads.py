"""When workloads are up, from what the API says of them."""

from __future__ import annotations

from typing import Any

import pytest

from buildonce.engines.kubernetes import workloads


def workload(kind: str, status: dict[str, Any], **spec: Any) -> dict[str, Any]:
    seen = {"observedGeneration": 2, **status}
    return {"kind": kind, "metadata": {"generation": 2}, "spec": spec, "status": seen}


def counted(every: int, new: int, up: int) -> dict[str, Any]:
    return {"replicas": every, "updatedReplicas": new, "availableReplicas": up}


@pytest.mark.parametrize(
    ("status", "waits"),
    [
        (counted(2, 2, 2), ""),
        (counted(2, 2, 1), "1 of 2 pods up"),
        (counted(3, 1, 2), "0 of 2 pods up, 2 of the earlier template"),
        (counted(3, 2, 2), "1 of 2 pods up, 1 of the earlier template"),
        (counted(3, 2, 3), "2 of 2 pods up, 1 of the earlier template"),
        (counted(2, 0, 2), "0 of 2 pods up, 2 of the earlier template"),
        ({}, "0 of 2 pods up"),
        ({**counted(2, 2, 2), "observedGeneration": 1}, "its controller has not seen the change"),
    ],
)
def test_a_deployment_is_up_once_all_pods_are_of_the_newest_template(
    status: dict[str, Any], waits: str
) -> None:
    """Available pods of the earlier template are no success, nor a status of before the change."""
    found = workloads.waiting_for(workload("Deployment", status, replicas=2))
    assert found.startswith(waits)
    assert bool(found) == bool(waits)


@pytest.mark.parametrize(
    ("replicas", "status", "waits"), [(0, counted(0, 0, 0), ""), (None, counted(1, 1, 1), "")]
)
def test_a_deployment_wants_what_it_says(
    replicas: int | None, status: dict[str, Any], waits: str
) -> None:
    """None at all where it says 0, one where it says nothing."""
    assert workloads.waiting_for(workload("Deployment", status, replicas=replicas)) == waits


def test_a_daemon_set_wants_a_pod_on_each_node() -> None:
    """How many its controller has found is the number that counts."""
    numbers = {
        "desiredNumberScheduled": 3,
        "currentNumberScheduled": 3,
        "updatedNumberScheduled": 3,
        "numberAvailable": 2,
    }
    assert workloads.waiting_for(workload("DaemonSet", numbers)) == "2 of 3 pods up"


def test_a_job_is_up_once_it_is_complete() -> None:
    """A Job that runs is waited for, one that failed is given up with its reason."""
    assert workloads.waiting_for(workload("Job", {})) == "it still runs"
    complete = {"conditions": [{"type": "Complete", "status": "True"}]}
    assert workloads.waiting_for(workload("Job", complete)) == ""
    failed = {"type": "Failed", "status": "True", "reason": "Deadline", "message": "too slow"}
    assert workloads.failure(workload("Job", {"conditions": [failed]})) == (
        "failed: Deadline: too slow"
    )


def test_a_deployment_that_makes_no_progress_is_given_up() -> None:
    """Kubernetes' own deadline is a failure; progress within it is none."""
    late = {"type": "Progressing", "status": "False", "reason": workloads.EXCEEDED}
    assert "made no progress" in workloads.failure(workload("Deployment", {"conditions": [late]}))
    fine = {**late, "reason": "ReplicaSetUpdated"}
    assert workloads.failure(workload("Deployment", {"conditions": [fine]})) == ""


@pytest.mark.parametrize(
    ("status", "waits"),
    [
        ({"conditions": [{"type": "Ready", "status": "True"}]}, ""),
        ({"phase": "Succeeded"}, ""),
        ({"conditions": [{"type": "Ready", "status": "False"}]}, "it is not ready"),
    ],
)
def test_a_pod_is_up_once_it_is_ready_or_done(status: dict[str, Any], waits: str) -> None:
    """A condition that is there and not true is none."""
    assert workloads.waiting_for(workload("Pod", status)) == waits
