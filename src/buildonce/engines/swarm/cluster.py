"""A stack as the manager of a Swarm knows it: services, their tasks, and the nodes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from buildonce.engines.definition import digest_in
from buildonce.engines.docker import Docker
from buildonce.refs import Digest

_LABEL = "com.docker.stack.namespace"
NOTED = "com.docker.stack.image"
"""The label that says which image ``docker stack deploy`` gave a service."""

SHORT_ID = 12
"""Characters of a service's id that ``docker service ls`` shows."""

_ENDED = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})


@dataclass(frozen=True)
class Task:
    """One task: what a node was told to run, and what the node says about it."""

    id: str
    service: str
    node: str
    image: str
    desired: str
    state: str
    message: str
    container: str
    created: str

    @classmethod
    def read(cls, inspected: Mapping[str, Any]) -> Task:
        """Read what ``docker inspect --type task`` says."""
        status = inspected.get("Status") or {}
        return cls(
            id=inspected["ID"],
            service=inspected.get("ServiceID", ""),
            node=inspected.get("NodeID", ""),
            image=((inspected.get("Spec") or {}).get("ContainerSpec") or {}).get("Image", ""),
            desired=inspected.get("DesiredState", ""),
            state=status.get("State", ""),
            message=status.get("Err") or status.get("Message") or "",
            container=(status.get("ContainerStatus") or {}).get("ContainerID", ""),
            created=inspected.get("CreatedAt", ""),
        )

    @property
    def wanted(self) -> bool:
        """Whether it is meant to run."""
        return self.desired in ("running", "ready", "complete") and self.state not in _ENDED

    @property
    def left_behind(self) -> bool:
        """Whether it is not meant to run any more, and has not said that it ended."""
        return not self.wanted and self.state not in _ENDED

    @property
    def digest(self) -> Digest | None:
        """The bytes that the node was told to run, where it was told by digest."""
        return digest_in(self.image)


@dataclass(frozen=True)
class Service:
    """One service of the stack. ``name`` is without the stack's; ``wanted`` counts tasks.

    ``deployed`` is the image that ``docker stack deploy`` has noted for it. ``definition`` is all
    that is said of it, but for the count of forced updates, which change nothing. ``counted`` says
    that it has a number of replicas, and is not one for each node.
    """

    id: str
    name: str
    image: str
    deployed: str
    wanted: int
    job: bool
    shape: Mapping[str, Any]
    update: str
    update_began: str
    definition: str = ""
    counted: bool = True

    @classmethod
    def read(cls, inspected: Mapping[str, Any], stack: str, replicas: str) -> Service:
        """Read what ``docker inspect --type service`` says.

        Args:
            inspected: that.
            stack: the stack's name.
            replicas: what ``docker service ls`` says: ``1/2``, or ``0/1 (1/1 completed)``.
        """
        spec = inspected["Spec"]
        template = spec["TaskTemplate"]
        status = inspected.get("UpdateStatus") or {}
        return cls(
            id=inspected["ID"],
            name=spec["Name"].removeprefix(f"{stack}_"),
            image=template["ContainerSpec"]["Image"],
            deployed=(spec.get("Labels") or {}).get(NOTED, ""),
            wanted=int(re.findall(r"\d+", replicas)[1]),
            job=any("job" in mode.lower() for mode in spec.get("Mode", {})),
            shape={
                **{name: template[name] for name in template if name != "Placement"},
                "Endpoint": spec.get("EndpointSpec"),
            },
            update=status.get("State", ""),
            update_began=status.get("StartedAt", ""),
            definition=_definition(spec),
            counted="Replicated" in spec.get("Mode", {}),
        )


def _definition(spec: Mapping[str, Any]) -> str:
    template = {**spec["TaskTemplate"], "ForceUpdate": 0}
    return json.dumps({**spec, "TaskTemplate": template}, sort_keys=True)


@dataclass(frozen=True)
class Node:
    """One machine of the Swarm."""

    name: str
    ready: bool


NOWHERE = Node("no node", ready=False)


@dataclass(frozen=True)
class Stack:
    """All of a stack at one moment, services by name, nodes by id."""

    services: Mapping[str, Service]
    tasks: tuple[Task, ...]
    nodes: Mapping[str, Node]

    def tasks_of(self, service: Service) -> list[Task]:
        """Return a service's tasks, the newest first."""
        own = [task for task in self.tasks if task.service == service.id]
        return sorted(own, key=lambda task: task.created, reverse=True)

    def broken(self, service: Service) -> list[Task]:
        """Return a service's tasks that ended by themselves, the newest first.

        An unhealthy container that ends with 0 when it is stopped makes its task complete.
        """
        ends = ("failed", "rejected") if service.job else ("failed", "rejected", "complete")
        return [task for task in self.tasks_of(service) if task.state in ends]

    def stopping(self, service: Service) -> list[Task]:
        """Return a service's tasks that are told to stop, on nodes that answer."""
        left = [task for task in self.tasks_of(service) if task.left_behind]
        return [task for task in left if self.node(task).ready]

    def node(self, task: Task) -> Node:
        """Return the node of a task; one that waits for a node, or has lost it, has none."""
        return self.nodes.get(task.node, NOWHERE)


def read(docker: Docker, stack: str) -> Stack:
    """Read a stack from the manager.

    Raises:
        UnavailableError: the engine does not answer.
        Refused: it is no manager.
    """
    listed = docker.run(
        *("service", "ls", "--filter", f"label={_LABEL}={stack}"),
        *("--format", "{{.ID}} {{.Replicas}}"),
    ).splitlines()
    replicas = dict(line.split(" ", 1) for line in listed)
    services = [
        Service.read(inspected, stack, replicas[inspected["ID"][:SHORT_ID]])
        for inspected in docker.inspect("service", list(replicas))
    ]
    return Stack(
        services={service.name: service for service in services},
        tasks=tuple(Task.read(task) for task in docker.inspect("task", _tasks(docker, replicas))),
        nodes=_nodes(docker),
    )


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
