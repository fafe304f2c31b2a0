"""A stack as the manager of a Swarm knows it: services, their tasks, and the nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from buildonce.engines.docker import Docker
from buildonce.engines.swarm.objects import NOWHERE, Node, Service, Task, image_of, may_end

STACK = "com.docker.stack.namespace"
"""The label that says which stack a service belongs to."""
SHORT_ID = 12
"""Characters of a service's id that ``docker service ls`` shows."""


@dataclass(frozen=True)
class Stack:
    """All of a stack at one moment, services by name, nodes by id."""

    services: Mapping[str, Service]
    tasks: tuple[Task, ...]
    nodes: Mapping[str, Node]

    def tasks_of(self, service: Service) -> list[Task]:
        """Return a service's tasks, the newest first, without those of a job's earlier runs."""
        own = [
            task
            for task in self.tasks
            if task.service == service.id
            and (task.iteration == service.iteration or not task.ended)
        ]
        return sorted(own, key=lambda task: task.created, reverse=True)

    def broken(self, service: Service) -> list[Task]:
        """Return a service's tasks that ended by themselves, the newest first.

        An unhealthy container that ends with 0 when it is stopped makes its task complete.
        """
        may_complete = service.job or service.ends
        ends = ("failed", "rejected") if may_complete else ("failed", "rejected", "complete")
        return [task for task in self.tasks_of(service) if task.state in ends]

    def done(self, service: Service) -> list[Task]:
        """Return a service's tasks that ended with 0, as they may: the newest in each place."""
        tasks = self.tasks_of(service)
        if service.job:
            return [task for task in tasks if task.state == "complete"]
        newest = {task.slot: task for task in reversed(tasks)} if service.ends else {}
        return [task for task in newest.values() if task.state == "complete"]

    def stopping(self, service: Service) -> list[Task]:
        """Return a service's tasks that are told to stop, on nodes that answer."""
        left = [task for task in self.tasks_of(service) if task.left_behind]
        return [task for task in left if self.node(task).ready]

    def node(self, task: Task) -> Node:
        """Return the node of a task; one that waits for a node, or has lost it, has none."""
        return self.nodes.get(task.node, NOWHERE)


NOTHING = Stack({}, (), {})


def named(stack: str, service: str) -> str:
    """Return what the Swarm calls a service of a stack."""
    return f"{stack}_{service}"


def read(docker: Docker, stack: str) -> Stack:
    """Read a stack from the manager.

    Raises:
        UnavailableError: the engine does not answer.
        Refused: it is no manager.
    """
    listed = docker.run(
        *("service", "ls", "--filter", f"label={STACK}={stack}"),
        *("--format", "{{.ID}} {{.Replicas}}"),
    ).splitlines()
    replicas = dict(line.split(" ", 1) for line in listed)
    found = docker.inspect("service", list(replicas))
    checked = _checked_images(docker, filter(may_end, found))
    services = [
        Service.read(
            inspected, stack, replicas[inspected["ID"][:SHORT_ID]],
            checked=image_of(inspected) in checked,
        )
        for inspected in found
    ]  # fmt: skip
    return Stack(
        services={service.name: service for service in services},
        tasks=tuple(Task.read(task) for task in docker.inspect("task", _tasks(docker, replicas))),
        nodes=_nodes(docker),
    )


def _checked_images(docker: Docker, services: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return those of the services' images that have a health check, if the manager has them."""
    names = {image_of(service) for service in services}
    return {
        name
        for name in names
        for image in docker.inspect("image", [name])
        if (image.get("Config") or {}).get("Healthcheck")
    }


def _tasks(docker: Docker, services: Mapping[str, str]) -> list[str]:
    return (
        docker.run("service", "ps", "--quiet", "--no-trunc", *services).split() if services else []
    )


def _nodes(docker: Docker) -> dict[str, Node]:
    ids = docker.run("node", "ls", "--quiet").split()
    return {
        node["ID"]: Node(
            node["Description"].get("Hostname", node["ID"]), node["Status"]["State"] == "ready"
        )
        for node in docker.inspect("node", ids)
    }
