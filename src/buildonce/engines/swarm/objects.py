"""Services, tasks and nodes as the manager of a Swarm describes them. Pure functions of that."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from buildonce.engines.parts import digest_in
from buildonce.refs import Digest

NOTED = "com.docker.stack.image"
"""The label that says which image ``docker stack deploy`` gave a service."""

_ENDED = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})


@dataclass(frozen=True)
class Task:
    """One task: what a node was told to run, and what the node says about it.

    ``slot`` is whose place it takes among its service's tasks; ``iteration`` counts a job's runs.
    """

    id: str
    service: str
    node: str
    image: str
    desired: str
    state: str
    message: str
    container: str
    created: str
    slot: str = ""
    iteration: int = 0

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
            slot=str(inspected.get("Slot") or inspected.get("NodeID", "")),
            iteration=_iteration(inspected),
        )

    @property
    def wanted(self) -> bool:
        """Whether it is meant to run."""
        return self.desired in ("running", "ready", "complete") and not self.ended

    @property
    def ended(self) -> bool:
        """Whether it said that it does not run any more."""
        return self.state in _ENDED

    @property
    def left_behind(self) -> bool:
        """Whether it is not meant to run any more, and has not said that it ended."""
        return not self.wanted and not self.ended

    @property
    def digest(self) -> Digest | None:
        """The bytes that the node was told to run, where it was told by digest."""
        return digest_in(self.image)


@dataclass(frozen=True)
class Service:
    """One service of the stack. ``name`` is without the stack's; ``wanted`` counts tasks.

    ``deployed`` is the image that ``docker stack deploy`` has noted for it. ``definition`` is all
    that is said of it, but for the count of forced updates, which change nothing. ``counted`` says
    that it has a number of replicas, and is not one for each node. ``iteration`` is a job's latest
    run. ``ends`` says that a task of a service that is no job may end with 0; ``attempts`` is how
    many of its tasks Swarm starts in one place, None where it never gives up.
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
    iteration: int = 0
    ends: bool = False
    attempts: int | None = None

    @classmethod
    def read(
        cls, inspected: Mapping[str, Any], stack: str, replicas: str, *, checked: bool
    ) -> Service:
        """Read what ``docker inspect --type service`` says.

        Args:
            inspected: that.
            stack: the stack's name.
            replicas: what ``docker service ls`` says: ``1/2``, or ``0/1 (1/1 completed)``.
            checked: whether its image has a health check.
        """
        spec = inspected["Spec"]
        template = spec["TaskTemplate"]
        status = inspected.get("UpdateStatus") or {}
        return cls(
            id=inspected["ID"],
            name=spec["Name"].removeprefix(f"{stack}_"),
            image=image_of(inspected),
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
            iteration=_iteration(inspected.get("JobStatus") or {}),
            ends=may_end(inspected) and not _is_checked(template["ContainerSpec"], checked),
            attempts=_attempts(template.get("RestartPolicy") or {}),
        )


def _definition(spec: Mapping[str, Any]) -> str:
    template = {**spec["TaskTemplate"], "ForceUpdate": 0}
    return json.dumps({**spec, "TaskTemplate": template}, sort_keys=True)


def image_of(inspected: Mapping[str, Any]) -> str:
    """Return the image of what ``docker inspect --type service`` describes."""
    image: str = inspected["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
    return image


def may_end(inspected: Mapping[str, Any]) -> bool:
    """Tell whether a service's restart policy says that a task which ended with 0 is done."""
    policy = inspected["Spec"]["TaskTemplate"].get("RestartPolicy") or {}
    return policy.get("Condition") in ("none", "on-failure")


def _is_checked(container: Mapping[str, Any], by_its_image: bool) -> bool:
    test = (container.get("Healthcheck") or {}).get("Test")
    return test != ["NONE"] if test else by_its_image


def _attempts(policy: Mapping[str, Any]) -> int | None:
    if policy.get("Condition") == "none":
        return 1
    return int(policy.get("MaxAttempts") or 0) + 1 if policy.get("MaxAttempts") else None


def _iteration(described: Mapping[str, Any]) -> int:
    return int((described.get("JobIteration") or {}).get("Index") or 0)


@dataclass(frozen=True)
class Node:
    """One machine of the Swarm."""

    name: str
    ready: bool


NOWHERE = Node("no node", ready=False)
