"""A stack as its manager describes it."""

from __future__ import annotations

from typing import Any

import pytest

from buildonce.engines.swarm import cluster
from tests.kit.swarm_manager import NODE, manager, service, task

IMAGE = "r.example/shop/web:1"
CHECKED = {"RepoDigests": [IMAGE], "Config": {"Healthcheck": {"Test": ["CMD", "true"]}}}


def test_a_stack_is_its_services_tasks_and_nodes() -> None:
    """Services go by their own names, and a node is ready as far as its manager hears of it."""
    web, theirs = service("web", IMAGE), service("web", IMAGE, stack="theirs")
    web["replicas"] = "1/3"
    nameless = {"ID": "n2", "Description": {}, "Status": {"State": "down"}}
    there = manager(objects={"node": [NODE, nameless]})
    there.add(web, theirs, task(web), task(theirs))
    stack = cluster.read(there, "shop")
    assert list(stack.services) == ["web"]
    assert stack.services["web"].wanted == 3
    assert [one.service for one in stack.tasks] == [web["ID"]]
    nodes = [(node.name, node.ready) for node in stack.nodes.values()]
    assert nodes == [("host1", True), ("n2", False)]


def test_a_stack_that_is_not_there_is_empty() -> None:
    """Of no service no task is asked for: the client would refuse that."""
    stack = cluster.read(manager(), "shop")
    assert (stack.services, stack.tasks) == ({}, ())


@pytest.mark.parametrize(
    ("image", "ends"),
    [
        (CHECKED, False),
        ({**CHECKED, "Config": {"Healthcheck": None}}, True),
        ({**CHECKED, "Config": None}, True),
        ({**CHECKED, "RepoDigests": ["r.example/shop/web:2"]}, True),
    ],
    ids=["checked", "no check", "no configuration", "not on the manager"],
)
def test_a_health_check_of_the_image_counts(image: dict[str, Any], ends: bool) -> None:
    """A task that ends with 0 may have been stopped as unhealthy where its image has a check."""
    web = service("web", IMAGE)
    web["Spec"]["TaskTemplate"]["RestartPolicy"] = {"Condition": "none"}
    there = manager(objects={"image": [image]})
    there.add(web)
    assert cluster.read(there, "shop").services["web"].ends is ends


def test_only_nodes_that_answer_stop_tasks() -> None:
    """A task that never had a node, or lost it, is not waited for."""
    web, down = service("web", IMAGE), {**NODE, "ID": "n2", "Status": {"State": "down"}}
    there = manager(objects={"node": [NODE, down]})
    stopped = [
        task(web, name=str(number), node=node, DesiredState="shutdown")
        for number, node in enumerate(("n1", "n2", ""))
    ]
    there.add(web, *stopped)
    stack = cluster.read(there, "shop")
    assert [one.node for one in stack.stopping(stack.services["web"])] == ["n1"]
