"""Apply objects and wait until they are up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from buildonce.engines.base import Deployment, StillOurs, always_ours
from buildonce.engines.kubernetes import applying, events, state
from buildonce.engines.kubernetes.applying import persistently
from buildonce.engines.kubernetes.events import Events
from buildonce.engines.kubernetes.inventory import Entry, Inventory
from buildonce.engines.kubernetes.kubectl import Kubectl
from buildonce.engines.kubernetes.logs import Logs
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.state import State
from buildonce.engines.kubernetes.watching import Failing, Watch
from buildonce.errors import DeployError, UnavailableError

INTERVAL = 0.5
"""Seconds between two looks at the namespace."""

EVENTS_INTERVAL = 3.0
"""Seconds between two looks at its events, which are many."""

Live = Mapping[str, Mapping[str, Any]]


@dataclass
class Rollout:
    """Brings objects of a project up; ``tell`` gets a line for each change.

    ``clock`` is monotonic, in seconds; ``pause`` waits for that many.
    """

    kubectl: Kubectl
    deployment: Deployment
    tell: Callable[[str], None]
    still_ours: StillOurs = always_ours
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self._target = self.deployment.target
        self._inventory = Inventory(self.kubectl, self._target.project)
        self._logs = Logs(self.kubectl)

    def run(
        self, wanted: Sequence[Manifest], changed: Sequence[Manifest], found: Live,
        *, listed: bool = True,
    ) -> None:  # fmt: skip
        """Apply what has ``changed``, and wait until all that is ``wanted`` is up.

        ``found`` are those of them that exist. ``listed`` objects are the project's from now on;
        the others are gone again soon.

        Raises:
            DeployError: something was refused, or did not come up in time.
            UnavailableError: the API stopped answering.
        """
        deadline = self.clock() + self._target.timeout
        before = self._read_state()
        known = persistently(lambda: events.read(self.kubectl), self.tell)
        if listed:
            self._list(wanted, found)
        for live in found.values():
            self._take_over(live)
        applied = persistently(
            lambda: applying.apply(self.kubectl, changed, self._target.project), self.tell
        )
        if listed:
            self._list(wanted, {**found, **{Manifest(item).key: item for item in applied}})
        watch = Watch(self.deployment, wanted, before, self.tell, self.clock)
        try:
            self._watch(watch, known, deadline)
        except Failing as failing:
            raise self._failed(failing, known) from None

    def prune(self, kept: Sequence[Manifest]) -> None:
        """Remove what earlier releases had and this one has not; what stays is only noted."""
        try:
            for item in persistently(lambda: self._inventory.leftovers(kept), self.tell):
                self.tell(f"removing {Manifest(item).title}, which the release has not")
                applying.remove(self.kubectl, item)
            self._inventory.forget_all_but(kept)
        except UnavailableError as error:
            self.tell(f"not removed yet, the next promotion tries again: {error.message}")

    def remove(self, manifests: Sequence[Manifest]) -> None:
        """Remove objects that were needed for a moment; what stays is only noted."""
        try:
            for item in state.live(self.kubectl, manifests).values():
                applying.remove(self.kubectl, item, wait=True)
        except UnavailableError as error:
            self.tell(f"not removed: {error.message}")

    def _watch(self, watch: Watch, known: Events, deadline: float) -> None:
        warned, looked = known, 0.0
        while True:
            self.still_ours()
            present = self._read_state()
            for pod in watch.stuck(present):
                self.tell(f"removing pod {pod.name}, which blocks the rollout")
                self.kubectl.run("delete", "pod", pod.name, "--ignore-not-found", "--wait=false")
            waiting = watch.look(present, warned.since(known))
            waiting = waiting or watch.unproven(present, self._silent_nodes())
            if not waiting:
                return
            if self.clock() >= deadline:
                waiting[0].what += f", after {self._target.timeout:.0f} s"
                raise waiting[0]
            if self.clock() - looked >= EVENTS_INTERVAL:
                warned = persistently(lambda: events.read(self.kubectl), self.tell)
                looked = self.clock()
            self.pause(INTERVAL)

    def _read_state(self) -> State:
        return persistently(lambda: state.read(self.kubectl, self._target.project), self.tell)

    def _silent_nodes(self) -> frozenset[str]:
        return persistently(lambda: state.silent_nodes(self.kubectl), self.tell)

    def _list(self, wanted: Sequence[Manifest], found: Live) -> None:
        entries = [Entry.of(one, found.get(one.key)) for one in wanted]
        persistently(lambda: self._inventory.add(entries), self.tell)

    def _take_over(self, live: Mapping[str, Any]) -> None:
        persistently(lambda: applying.take_over(self.kubectl, live), self.tell)

    def _failed(self, failing: Failing, known: Events) -> DeployError:
        pod, container = failing.pod, failing.container
        log, hint = [], self.kubectl.line("describe", failing.workload)
        if pod is not None:
            try:
                log = events.read(self.kubectl).since(known).get(pod.uid, [])[-3:]
                log += self._logs.tail(pod, container)
            except UnavailableError as error:
                log = [error.message]
            hint = self._logs.line(pod, container)
        return DeployError(
            failing.what, service=failing.workload, host=str(self._target), log=log, hint=hint
        )
