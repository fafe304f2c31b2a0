"""Pods, as the API reports them."""

from __future__ import annotations

from typing import Any

import pytest

from buildonce.engines.kubernetes import pods
from buildonce.engines.kubernetes.pods import Container

DIGEST = f"sha256:{'a' * 64}"


def pod(state: dict[str, Any], *, field: str = "containers", **status: Any) -> dict[str, Any]:
    """A pod of one container."""
    statuses = "initContainerStatuses" if field == "initContainers" else "containerStatuses"
    reported = {"name": "api", "imageID": f"r.example.org/api@{DIGEST}", "state": state, **status}
    return {
        "metadata": {"name": "api-1", "uid": "1"},
        "spec": {field: [{"name": "api", "image": "r.example.org/api"}]},
        "status": {statuses: [reported]},
    }


def container(state: dict[str, Any], **rest: Any) -> Container:
    (found,) = pods.read(pod(state, **rest)).containers
    return found


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


@pytest.mark.parametrize(
    "image_id", [f"r.example.org/api@{DIGEST}", f"docker-pullable://api@{DIGEST}", DIGEST]
)
def test_the_digest_is_read_however_the_runtime_writes_it(image_id: str) -> None:
    """containerd, CRI-O and Docker have different forms."""
    assert pods.digest_in(image_id) == DIGEST


def test_a_name_without_a_digest_has_none() -> None:
    """A tag is no digest."""
    assert pods.digest_in("r.example.org/api:v1") is None


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (waiting("CreateContainerConfigError", "no secret key"), "cannot start: CreateContainer"),
        (waiting("InvalidImageName"), "cannot start: InvalidImageName: no reason given"),
        (waiting("ErrImagePull", "401 Unauthorized"), "cannot start: ErrImagePull"),
        (waiting("ErrImagePull", "connection reset"), ""),
        (waiting("ContainerCreating"), ""),
    ],
)
def test_what_waits_in_vain_is_a_problem(state: dict[str, Any], problem: str) -> None:
    """A registry that was out of reach once is asked again; one that refuses is not."""
    found = container(state).problem()
    assert found.startswith(problem)
    assert bool(found) == bool(problem)


@pytest.mark.parametrize(
    ("restarts", "ready", "before", "problem"),
    [
        (2, False, 0, ""),
        (3, False, 0, "has crashed 3 times"),
        (3, True, 0, ""),
        (5, False, 3, ""),
    ],
)
def test_a_container_may_crash_twice(restarts: int, ready: bool, before: int, problem: str) -> None:
    """The third time is a failure, unless it runs by now; crashes of before do not count."""
    found = container({"running": {}}, restartCount=restarts, ready=ready).problem(before)
    assert found == problem


@pytest.mark.parametrize(
    ("state", "field", "ready", "condition"),
    [
        ({"running": {}}, "containers", True, "running"),
        ({"running": {}}, "containers", False, "not ready"),
        ({"running": {}}, "initContainers", False, "running"),
        ({"terminated": {"exitCode": 0}}, "initContainers", False, "completed"),
        ({"terminated": {"exitCode": 3}}, "initContainers", False, "ended (exit code 3)"),
        ({"terminated": {"exitCode": 0}}, "containers", False, "ended (exit code 0)"),
        (waiting("PodInitializing"), "containers", False, "PodInitializing"),
        ({}, "containers", False, "waiting"),
    ],
)
def test_a_containers_condition_in_a_word(
    state: dict[str, Any], field: str, ready: bool, condition: str
) -> None:
    """What `verify` and `status` show."""
    assert container(state, field=field, ready=ready).condition == condition


def test_the_secrets_that_a_pod_refers_to_are_known_by_name() -> None:
    """From variables, from whole Secrets, from volumes and projected ones."""
    spec = {
        "containers": [
            {
                "env": [{"valueFrom": {"secretKeyRef": {"name": "one"}}}, {"value": "plain"}],
                "envFrom": [{"secretRef": {"name": "two"}}, {"configMapRef": {"name": "no"}}],
            }
        ],
        "volumes": [
            {"secret": {"secretName": "three"}},
            {"projected": {"sources": [{"secret": {"name": "four"}}, {"configMap": {}}]}},
        ],
    }
    assert set(pods.secrets_of(spec)) == {"one", "two", "three", "four"}


def test_only_a_controller_owns_a_pod() -> None:
    """Others may refer to it, in whatever order; without any it is nobody's."""
    found = pod({"running": {}})
    found["metadata"]["ownerReferences"] = [{"uid": "1"}, {"uid": "2", "controller": True}]
    assert pods.read(found).owner == "2"
    assert pods.read(pod({"running": {}})).owner == ""


@pytest.mark.parametrize(
    ("phase", "over"), [("Succeeded", True), ("Failed", True), ("Running", False), ("", False)]
)
def test_a_pod_is_over_once_it_has_ended_for_good(phase: str, over: bool) -> None:
    """Nothing starts its containers again."""
    found = pod({"running": {}})
    found["status"]["phase"] = phase
    assert pods.read(found).over is over


@pytest.mark.parametrize(
    ("node", "scheduled", "obstacle"),
    [
        ("n1", {"status": "True", "message": "done"}, ""),
        ("n2", {"status": "True"}, "on n2, a node that does not answer"),
        ("", {"status": "False", "message": "no room"}, "pending: no room"),
        ("", {"status": "False"}, ""),
    ],
)
def test_what_keeps_a_pod_from_being_seen(
    node: str, scheduled: dict[str, str], obstacle: str
) -> None:
    """A node that does not answer, or none to run on."""
    found = pod({"running": {}})
    found["spec"]["nodeName"] = node
    found["status"]["conditions"] = [{"type": "PodScheduled", **scheduled}]
    assert pods.read(found).obstacle(frozenset({"n2"})) == obstacle


@pytest.mark.parametrize(
    ("state", "restarts", "crashes"),
    [
        ({"terminated": {"exitCode": 1}}, 1, 2),
        ({"terminated": {"exitCode": 0}}, 1, 1),
        (waiting("CrashLoopBackOff"), 1, 2),
        (waiting("ContainerCreating"), 0, 0),
        ({"running": {}}, 2, 2),
    ],
)
def test_an_end_that_should_not_be_is_a_crash(
    state: dict[str, Any], restarts: int, crashes: int
) -> None:
    """Those that it was started again after, and the one that it has just had."""
    assert container(state, restartCount=restarts).crashes == crashes


def test_the_exit_code_of_before_is_told_while_it_waits() -> None:
    """A container that is started again has it in its last state."""
    ended = {"terminated": {"exitCode": 7}}
    found = container(waiting("CrashLoopBackOff"), restartCount=2, lastState=ended)
    assert found.problem() == "has crashed 3 times (exit code 7)"


def test_a_sidecar_is_up_once_it_is_ready() -> None:
    """Other init containers are never ready, and are no failure for that."""
    found = pod({"running": {}}, field="initContainers", ready=False)
    found["spec"]["initContainers"][0]["restartPolicy"] = "Always"
    (sidecar,) = pods.read(found).containers
    assert sidecar.condition == "not ready"
