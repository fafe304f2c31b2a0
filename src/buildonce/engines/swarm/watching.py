"""Watch a stack's services being updated on the nodes of a Swarm."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from buildonce.engines.base import MONITOR
from buildonce.engines.compose.watching import Failing
from buildonce.engines.parts import Part, digest_in
from buildonce.engines.swarm.cluster import Stack
from buildonce.engines.swarm.objects import Service, Task

PATIENCE = 3
"""Failures of one service after which Swarm's restarts are not waited for any more: services
of a stack start in no order, and one that needs another may fail once or twice at first."""

_LEFT_NETWORK = "Pool overlaps with other one"
"""Why a node rejects tasks while it still has the network of a stack that was just removed."""

_ONE_SHOT = "; one that is meant to end has deploy: {mode: replicated-job}"

_GIVEN_UP = frozenset({"paused", "rollback_started", "rollback_completed", "rollback_paused"})


@dataclass
class Watch:
    """Remembers the stack as it was ``before``; ``tell`` gets a line for each change."""

    parts: Mapping[str, Part]
    before: Stack
    tell: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _since: dict[str, float] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)

    def look(self, stack: Stack) -> list[Failing]:
        """Return what is not up yet, each as what it is once there is no more time.

        Raises:
            Failing: Swarm gave up an update, or a service fails again and again.
        """
        waiting = []
        for part in self.parts.values():
            service = stack.services.get(part.name)
            if service is None and part.name in self._told:
                raise Failing(part.name, "was removed from the stack meanwhile")
            if service is None:
                waiting.append(Failing(part.name, "is not in the stack"))
                continue
            self._told.setdefault(service.name, "")
            self._judge(service, stack)
            if not self._settled(service, stack, part):
                waiting.append(_unsettled(service, stack))
                if service.job and waiting[-1].container:
                    self._show(service, f"{service.name} {waiting[-1].what}".rstrip(","))
        return waiting

    def _judge(self, service: Service, stack: Stack) -> None:
        known = {task.id for task in self.before.tasks}
        broken = [
            task
            for task in stack.broken(service)
            if task.id not in known and _LEFT_NETWORK not in task.message
        ]
        if len(self._done(service, stack)) >= service.wanted > 0:
            return
        if self._is_fresh(service) and service.update in _GIVEN_UP:
            what = f"failed, and Swarm's update is {service.update.replace('_', ' ')}"
        elif len(broken) >= (1 if service.job else min(PATIENCE, service.attempts or PATIENCE)):
            what = f"failed {len(broken)} times" if len(broken) > 1 else "failed"
        else:
            return
        if not broken:
            raise Failing(service.name, f"{what}{_ONE_SHOT}" if service.ends else what)
        newest = broken[0]
        raise Failing(
            service.name, f"{what} ({_reason(newest)})", newest.id, stack.node(newest).name
        )

    def _settled(self, service: Service, stack: Stack, part: Part) -> bool:
        has_the_bytes = part.digest in (None, digest_in(service.image))
        done = len(self._done(service, stack))
        if service.job:
            return has_the_bytes and done >= service.wanted
        wanted = [task for task in stack.tasks_of(service) if task.wanted]
        up = [t for t in wanted if t.state == "running" and t.image == service.image]
        self._show(service, f"{service.name}: {len(up) + done} of {service.wanted} up")
        over = self._is_over(service) or done == service.wanted
        steady = [self._is_steady(task) for task in up]
        complete = len(wanted) == len(up) == service.wanted - done and not stack.stopping(service)
        return has_the_bytes and over and complete and all(steady)

    def _done(self, service: Service, stack: Stack) -> list[Task]:
        """Return the tasks that ended as they may: those of before, where nothing changed."""
        before, known = self.before.services.get(service.name), {t.id for t in self.before.tasks}
        same = before is not None and before.shape == service.shape
        return [
            task
            for task in stack.done(service)
            if task.image == service.image and (same or task.id not in known)
        ]

    def _is_over(self, service: Service) -> bool:
        """Tell whether Swarm is done with an update, or has none to do.

        It begins one at once. Where it has not in all the time that a new task is watched for,
        no task differs from what it should be.
        """
        known = self.before.services.get(service.name)
        if service.update and self._is_fresh(service):
            return service.update == "completed"
        if known is not None and known.shape == service.shape:
            return True
        return self.clock() - self._since.setdefault(service.name, self.clock()) >= MONITOR

    def _is_steady(self, task: Task) -> bool:
        if any(known.id == task.id and known.state == "running" for known in self.before.tasks):
            return True
        return self.clock() - self._since.setdefault(task.id, self.clock()) >= MONITOR

    def _is_fresh(self, service: Service) -> bool:
        known = self.before.services.get(service.name)
        return known is None or known.update_began != service.update_began

    def _show(self, service: Service, line: str) -> None:
        if self._told.get(service.name) != line:
            self._told[service.name] = line
            self.tell(line)


def _reason(task: Task) -> str:
    if task.state == "complete":
        return f"it ended with 0, or was stopped as unhealthy{_ONE_SHOT}"
    return task.message or task.state


def _unsettled(service: Service, stack: Stack) -> Failing:
    wanted = [task for task in stack.tasks_of(service) if task.wanted]
    pending = next((task for task in wanted if task.state != "running"), None)
    silent = ", ".join(sorted(node.name for node in stack.nodes.values() if not node.ready))
    without = f", without an answer from {silent}," if silent else ""
    if pending is not None:
        what = f"is {pending.state} ({pending.message}){without}"
        return Failing(service.name, what, pending.id, stack.node(pending).name)
    new = sum(task.image == service.image for task in wanted)
    old = len(wanted) - new + len(stack.stopping(service))
    return Failing(service.name, f"has {new} new and {old} old tasks{without}")
