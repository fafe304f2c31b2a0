"""Watch the containers of a Compose project come up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from buildonce.engines.base import MONITOR
from buildonce.engines.inspected import Container
from buildonce.engines.parts import Part

INTERVAL = 0.5
"""Seconds between two looks."""


class Failing(Exception):
    """A service will not come up.

    ``container`` is the id of the container, or task, whose log says why, if there is one;
    ``host`` is where it runs, if that is not the target itself.
    """

    def __init__(self, service: str, what: str, container: str = "", host: str = "") -> None:
        super().__init__(what)
        self.service = service
        self.what = what
        self.container = container
        self.host = host


class Stopped(Failing):
    """A container that Compose had left as it was ended: its stop came from elsewhere.

    An engine still carries out what an interrupted deploy has asked for.
    """


@dataclass(frozen=True)
class Waiting:
    """A service that is not up yet, and its container where it has one."""

    service: str
    container: Container | None = None

    def after(self, seconds: float) -> Failing:
        """Return what this is once there is no more time."""
        if self.container is None:
            return Failing(self.service, f"has no container after {seconds:.0f} s")
        what = f"is {self.container.state} after {seconds:.0f} s"
        return Failing(self.service, what, self.container.id)


def slowest(waiting: Sequence[Waiting]) -> Waiting:
    """Return the one that the others wait for: those have no container yet, or no start."""
    started = [wait for wait in waiting if wait.container and wait.container.state != "created"]
    return (started or list(waiting) or [Waiting("compose up")])[0]


@dataclass
class Watch:
    """Remembers what was there before, and since when each new container is up.

    ``before`` are the containers as they were before anything was changed, ``tell`` gets a
    line for each change worth showing, ``clock`` is monotonic, in seconds.
    """

    parts: Mapping[str, Part]
    before: Mapping[str, Container]
    tell: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _up_since: dict[tuple[str, str], float] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)

    def look(self, containers: list[Container], *, applied: bool) -> list[Waiting]:
        """Return what is not up yet.

        Until the change is ``applied``, containers from before may yet be replaced: they are
        not judged.

        Raises:
            Stopped: a container that was up before, and was to stay, ended.
            Failing: a container crashed, ended, or is unhealthy.
        """
        present = [c for c in containers if c.service in self.parts and not c.one_off]
        judged = [c for c in present if applied or c.id not in self.before]
        for container in judged:
            self._show(container)
            self._judge(container)
        waiting = [Waiting(c.service, c) for c in judged if not self._settled(c)]
        return waiting + self._absent(present)

    def _judge(self, container: Container) -> None:
        known = self.before.get(container.id)
        crashed = container.restarts > (known.restarts if known else 0)
        if container.state == "unhealthy":
            what = "is unhealthy"
        elif crashed or container.state == "restarting":
            what = f"crashed{_code(container)}"
        elif container.state in ("exited", "dead") and not completed(container, self.parts):
            what = f"ended{_code(container)}"
            if known and known.up:
                raise Stopped(container.service, what, container.id)
        else:
            return
        raise Failing(container.service, what, container.id)

    def _settled(self, container: Container) -> bool:
        if completed(container, self.parts):
            return True
        if not container.up:
            return False
        known = self.before.get(container.id)
        same = known is not None and known.up and known.started_at == container.started_at
        since = self._up_since.setdefault((container.id, container.started_at), self.clock())
        return same or self.clock() - since >= MONITOR

    def _absent(self, containers: list[Container]) -> list[Waiting]:
        present = {container.service for container in containers}
        return [
            Waiting(part.name)
            for part in self.parts.values()
            if part.name not in present and not part.optional and part.replicas != 0
        ]

    def _show(self, container: Container) -> None:
        if container.id in self.before or self._told.get(container.id) == container.state:
            return
        self._told[container.id] = container.state
        self.tell(f"{container.service} {container.number} is {container.state}")


def completed(container: Container, parts: Mapping[str, Part]) -> bool:
    """Tell whether a container has ended with 0 as it is there for.

    Its restart policy says so, or another service waits for its end.
    """
    if container.state != "exited" or container.exit_code != 0:
        return False
    own = parts.get(container.service)
    return (own is not None and own.ends) or any(
        part.needs.get(container.service) == "service_completed_successfully"
        for part in parts.values()
    )


def _code(container: Container) -> str:
    return f" (exit code {container.exit_code})" if container.exit_code else ""
