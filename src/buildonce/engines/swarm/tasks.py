"""What the tasks of a stack run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from buildonce.engines.base import Running
from buildonce.engines.docker import Docker
from buildonce.engines.inspected import Container, manifest_digests
from buildonce.engines.parts import Part
from buildonce.engines.swarm.cluster import Stack
from buildonce.engines.swarm.objects import Node, Service, Task
from buildonce.refs import Digest

OUT_OF_REACH = "unknown (its node is down)"


def rows(docker: Docker, stack: Stack, parts: Mapping[str, Part]) -> list[Running]:
    """Return a row for each task that runs or should, and for each that is missing."""
    inspected = _inspect(docker, stack.tasks)
    found = [
        _row(stack, parts, service, task, inspected)
        for service in stack.services.values()
        for task in stack.tasks_of(service)
        if task.wanted or task.left_behind or task in stack.done(service)
    ]
    return sorted(found, key=lambda row: (row.service, row.host)) + _missing(stack, parts)


def _row(
    stack: Stack,
    parts: Mapping[str, Part],
    service: Service,
    task: Task,
    inspected: Mapping[str, tuple[Container, Digest | None]],
) -> Running:
    node, part = stack.node(task), parts.get(service.name)
    state, digest, source = _state(task), task.digest, "task"
    if task.container in inspected:
        container, digest = inspected[task.container]
        state, source = container.state, "container"
    elif task.node and not node.ready:
        state, digest = OUT_OF_REACH, None
    return Running(
        host=node.name,
        service=service.name,
        container=task.id[:12],
        digest=digest,
        state=state,
        expected=part.digest if part else None,
        stray=part is None or task.left_behind,
        remedy=_ends(node) if task.left_behind and not node.ready else "",
        source=source,
        definition=service.definition,
        counted=service.counted,
    )


def _ends(node: Node) -> str:
    return f"its task ends once {node.name} answers again; a node that is gone: docker node rm"


def _state(task: Task) -> str:
    if task.state == "complete":
        return "completed"
    return task.state if task.state == "running" else f"{task.state} ({task.message})"


def _missing(stack: Stack, parts: Mapping[str, Part]) -> list[Running]:
    missing = []
    for part in parts.values():
        service = stack.services.get(part.name)
        lacking = _lacking(service, stack) if service else part.replicas or 1
        missing += [Running("the stack", part.name, "", None, "missing", part.digest)] * lacking
    return missing


def _lacking(service: Service, stack: Stack) -> int:
    present = sum(task.wanted for task in stack.tasks_of(service)) + len(stack.done(service))
    return max(0, service.wanted - present)


def _inspect(docker: Docker, tasks: Iterable[Task]) -> dict[str, tuple[Container, Digest | None]]:
    """Return those containers that the engine we talk to runs itself, by id."""
    ids = [task.container for task in tasks if task.container and task.wanted]
    containers = docker.inspect("container", ids)
    digests = manifest_digests(containers, partial(docker.inspect, "image"))
    return {found["Id"]: (Container.read(found), digests[found["Id"]]) for found in containers}
