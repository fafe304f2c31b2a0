"""Services and tasks as a manager prints them."""

from __future__ import annotations

from typing import Any

import pytest

from buildonce.engines.swarm.objects import Service, Task

IMAGE = f"r.example/shop/web@sha256:{'a' * 64}"
TASK = {
    "ID": "t1",
    "CreatedAt": "2026-11-23T12:00:00Z",
    "Spec": {"ContainerSpec": {"Image": IMAGE}},
    "ServiceID": "s1",
    "Slot": 2,
    "NodeID": "n1",
    "Status": {
        "State": "failed", "Message": "started", "Err": "task: non-zero exit (3)",
        "ContainerStatus": {"ContainerID": "c1"},
    },
    "DesiredState": "shutdown",
    "JobIteration": {"Index": 4},
}  # fmt: skip
TEMPLATE = {"ContainerSpec": {"Image": IMAGE}, "Placement": {"Constraints": ["x"]}}
SERVICE = {
    "ID": "s1",
    "Spec": {
        "Name": "shop_web",
        "Labels": {"com.docker.stack.image": "r.example/shop/web"},
        "TaskTemplate": TEMPLATE,
        "Mode": {"Replicated": {"Replicas": 3}},
        "EndpointSpec": {"Mode": "vip"},
    },
    "UpdateStatus": {"State": "completed", "StartedAt": "3:00"},
    "JobStatus": {"JobIteration": {"Index": 5}},
}


def test_a_task_is_read_with_its_nodes_words() -> None:
    """What went wrong comes before what its node said last."""
    assert Task.read(TASK) == Task(
        id="t1", service="s1", node="n1", image=IMAGE, desired="shutdown", state="failed",
        message="task: non-zero exit (3)", container="c1", created="2026-11-23T12:00:00Z",
        slot="2", iteration=4,
    )  # fmt: skip


def test_a_task_that_waits_has_little_to_say() -> None:
    """One without a slot takes its node's place; what is not said yet is empty."""
    status = {"State": "pending", "Message": "no suitable node"}
    read = Task.read({"ID": "t1", "NodeID": "n1", "Status": status, "Slot": 0})
    assert (read.message, read.slot, read.image, read.container) == (
        "no suitable node", "n1", "", "",
    )  # fmt: skip
    assert Task.read({"ID": "t1"}).message == ""


@pytest.mark.parametrize(
    ("desired", "state", "wanted", "left_behind"),
    [
        ("running", "starting", True, False),
        ("ready", "ready", True, False),
        ("complete", "running", True, False),
        ("running", "failed", False, False),
        ("shutdown", "running", False, True),
        ("shutdown", "shutdown", False, False),
        ("remove", "running", False, True),
    ],
)
def test_who_is_meant_to_run(desired: str, state: str, wanted: bool, left_behind: bool) -> None:
    """A task is wanted, left behind, or has ended."""
    task = Task.read({"ID": "t1", "DesiredState": desired, "Status": {"State": state}})
    assert (task.wanted, task.left_behind) == (wanted, left_behind)


def test_a_service_is_read_with_its_update() -> None:
    """Where it may run is no part of its shape: no task differs for it."""
    read = Service.read(SERVICE, "shop", "1/3", checked=False)
    assert (read.name, read.image, read.deployed, read.wanted) == (
        "web", IMAGE, "r.example/shop/web", 3,
    )  # fmt: skip
    assert (read.job, read.counted, read.iteration) == (False, True, 5)
    assert read.shape == {"ContainerSpec": {"Image": IMAGE}, "Endpoint": {"Mode": "vip"}}
    assert (read.update, read.update_began) == ("completed", "3:00")


def test_a_forced_update_changes_no_definition() -> None:
    """`docker service update --force` counts up and says nothing else."""
    spec = {**SERVICE["Spec"], "TaskTemplate": {**TEMPLATE, "ForceUpdate": 7}}  # type: ignore[dict-item]
    forced = Service.read({**SERVICE, "Spec": spec}, "shop", "1/3", checked=False)
    assert forced.definition == Service.read(SERVICE, "shop", "1/3", checked=False).definition


@pytest.mark.parametrize(
    ("mode", "replicas", "job", "counted", "wanted"),
    [
        ("ReplicatedJob", "0/1 (1/1 completed)", True, False, 1),
        ("GlobalJob", "0/2 (0/2 completed)", True, False, 2),
        ("Global", "1/2", False, False, 2),
    ],
)
def test_modes(mode: str, replicas: str, job: bool, counted: bool, wanted: int) -> None:
    """Jobs come to an end, and what runs once a node has no number of its own."""
    spec = {"Name": "shop_web", "TaskTemplate": TEMPLATE, "Mode": {mode: {}}}
    read = Service.read({"ID": "s1", "Spec": spec}, "shop", replicas, checked=False)
    assert (read.job, read.counted, read.wanted) == (job, counted, wanted)
    assert (read.deployed, read.update, read.iteration) == ("", "", 0)


@pytest.mark.parametrize(
    ("policy", "attempts"),
    [
        (None, None),
        ({"Condition": "any"}, None),
        ({"Condition": "any", "MaxAttempts": 0}, None),
        ({"Condition": "on-failure", "MaxAttempts": 2}, 3),
        ({"Condition": "none", "MaxAttempts": 5}, 1),
    ],
)
def test_how_often_swarm_tries(policy: dict[str, Any] | None, attempts: int | None) -> None:
    """The first task, and as many more as the restart policy allows."""
    spec = {"Name": "shop_web", "TaskTemplate": {**TEMPLATE, "RestartPolicy": policy}}
    read = Service.read({"ID": "s1", "Spec": spec}, "shop", "1/1", checked=False)
    assert read.attempts == attempts
