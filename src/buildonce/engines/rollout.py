"""Watch a stack's services being updated on the nodes of a Swarm."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from buildonce.engines.base import MONITOR
from buildonce.engines.cluster import Service, Stack, Task
from buildonce.engines.definition import Part
from buildonce.engines.watching import Failing

PATIENCE = 3
"""Failures of one service after which Swarm's restarts are not waited for any more: services
of a stack start in no order, and one that needs another may fail once or twice at first."""

_GIVEN_UP = frozenset({"paused", "rollback_started", "rollback_completed", "rollback_paused"})


@dataclass
class Rollout:
    """Remembers the stack as it was ``before``; ``tell`` gets a line for each change."""

    parts: Mapping[str, Part]
    before: Stack
    tell: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _running_since: dict[str, float] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)

    def look(self, stack: Stack) -> list[Failing]:
        """Return what is not up yet, each as what it is once there is no more time.

        Raises:
            Failing: Swarm gave up an update, or a service fails again and again.
        """
        waiting = []
        for name in self.parts:
            service = stack.services.get(name)
            if service is None:
                waiting.append(Failing(name, "is not in the stack"))
                continue
            self._judge(service, stack)
            if not self._settled(service, stack):
                waiting.append(_unsettled(service, stack))
        return waiting

    def _judge(self, service: Service, stack: Stack) -> None:
        known = {task.id for task in self.before.tasks}
        broken = [task for task in stack.broken(service) if task.id not in known]
        if self._is_fresh(service) and service.update in _GIVEN_UP:
            what = f"failed, and Swarm's update is {service.update.replace('_', ' ')}"
        elif len(broken) >= (1 if service.job else PATIENCE):
            what = f"failed {len(broken)} times" if len(broken) > 1 else "failed"
        else:
            return
        if not broken:
            raise Failing(service.name, what)
        newest = broken[0]
        raise Failing(
            service.name, f"{what} ({_reason(newest)})", newest.id, stack.node(newest).name
        )

    def _settled(self, service: Service, stack: Stack) -> bool:
        tasks = stack.tasks_of(service)
        if service.job:
            return sum(task.state == "complete" for task in tasks) >= service.wanted
        wanted = [task for task in tasks if task.wanted]
        up = [task for task in wanted if self._is_up(task, service)]
        self._show(service, f"{service.name}: {len(up)} of {service.wanted} up")
        updating = self._is_fresh(service) and service.update == "updating"
        steady = [self._is_steady(task) for task in up]
        return not updating and len(wanted) == len(up) == service.wanted and all(steady)

    def _is_up(self, task: Task, service: Service) -> bool:
        return (
            task.state == "running"
            and task.image == service.image
            and (self._is_same(service) or not self._before(task))
        )

    def _is_steady(self, task: Task) -> bool:
        if any(known.state == "running" for known in self._before(task)):
            return True
        return self.clock() - self._running_since.setdefault(task.id, self.clock()) >= MONITOR

    def _before(self, task: Task) -> list[Task]:
        return [known for known in self.before.tasks if known.id == task.id]

    def _is_same(self, service: Service) -> bool:
        known = self.before.services.get(service.name)
        return known is not None and known.shape == service.shape

    def _is_fresh(self, service: Service) -> bool:
        known = self.before.services.get(service.name)
        return known is None or known.update_began != service.update_began

    def _show(self, service: Service, line: str) -> None:
        if self._told.get(service.name) != line:
            self._told[service.name] = line
            self.tell(line)


def _reason(task: Task) -> str:
    if task.state == "complete":
        return "it ended with 0, or was stopped as unhealthy"
    return task.said or task.state


def _unsettled(service: Service, stack: Stack) -> Failing:
    wanted = [task for task in stack.tasks_of(service) if task.wanted]
    pending = next((task for task in wanted if task.state != "running"), None)
    if pending is None:
        return Failing(service.name, f"has {len(wanted)} of {service.wanted} tasks up to date")
    what = f"is {pending.state} ({pending.said})"
    return Failing(service.name, what, pending.id, stack.node(pending).name)
