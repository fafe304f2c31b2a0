"""Watch a release coming up: what is not up yet, and what never will be."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from buildonce.engines.base import MONITOR, Deployment
from buildonce.engines.kubernetes import workloads
from buildonce.engines.kubernetes.manifest import WORKLOADS, Manifest
from buildonce.engines.kubernetes.pods import Container, Pod, digest_in
from buildonce.engines.kubernetes.state import State
from buildonce.refs import short

PATIENCE = 15.0
"""Seconds for what may pass: a quota that pods of the earlier release still use up, a webhook
that does not answer, a volume that cannot be mounted."""

Warnings = Mapping[str, Sequence[str]]
"""What events say of an object, by its UID: ``REASON: message``, the newest last."""

_LASTING = ("FailedCreate:", "FailedMount:", "FailedAttachVolume:", "FailedCreatePodSandBox:")


class Failing(Exception):
    """A workload that will not come up; with the pod and the container that show why."""

    def __init__(
        self, workload: str, what: str, pod: Pod | None = None, container: Container | None = None
    ) -> None:
        super().__init__(f"{workload} {what}")
        self.workload = workload
        self.what = what
        self.pod = pod
        self.container = container


@dataclass
class Watch:
    """Remembers the namespace as it was ``before``; ``tell`` gets a line for each change."""

    deployment: Deployment
    manifests: Sequence[Manifest]
    before: State
    tell: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _since: dict[tuple[str, object], float] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)

    @property
    def workloads(self) -> list[Manifest]:
        """What has to come up."""
        return [manifest for manifest in self.manifests if manifest.kind in WORKLOADS]

    def look(self, state: State, warnings: Warnings) -> list[Failing]:
        """Return what is not up yet, each as what it is once there is no more time.

        Raises:
            Failing: something will not come up.
        """
        waiting = []
        for manifest in self.workloads:
            workload = state.find(manifest)
            if workload is None:
                waiting.append(Failing(manifest.title, "does not exist"))
                continue
            self._judge(manifest, workload, state, warnings)
            pods = state.current(workload)
            if what := workloads.waiting_for(workload) or self._unsteady(manifest, pods):
                waiting.append(_unfinished(manifest, what, pods, warnings))
                self._show(manifest.title, _with_pending(what, pods))
            else:
                self._show(manifest.title, "up")
        return waiting

    def unproven(self, state: State, silent: Collection[str]) -> list[Failing]:
        """Return what looks up on nodes that do not answer: an outage may be over in a moment."""
        waiting = []
        for manifest in self.workloads:
            workload = state.find(manifest)
            pods = state.current(workload) if workload else ()
            if pod := next((pod for pod in pods if pod.node in silent and not pod.over), None):
                what = f"pod {pod.name} is on {pod.node}, a node that does not answer"
                waiting.append(Failing(manifest.title, f"is not proven to be up: {what}", pod))
                if what not in self._told:
                    self._told[what] = what
                    self.tell(f"{manifest.title}: {what}")
        return waiting

    def stuck(self, state: State) -> Iterator[Pod]:
        """Yield pods of StatefulSets that keep better ones from taking their place.

        A StatefulSet waits until a pod is ready before it goes on, also where the pod has a
        template that was taken back since ("Forced rollback" in its documentation).
        """
        for manifest in self.workloads:
            workload = state.find(manifest)
            if manifest.kind != "StatefulSet" or workload is None:
                continue
            status = workload.get("status") or {}
            seen = status.get("observedGeneration") == workload["metadata"].get("generation")
            for pod in state.of(workload):
                outdated = pod.revision != status.get("updateRevision")
                if seen and outdated and not pod.ready and not pod.ending:
                    yield pod

    def _judge(
        self, manifest: Manifest, workload: Mapping[str, Any], state: State, warnings: Warnings
    ) -> None:
        for pod in state.current(workload):
            for container in pod.containers:
                counts = manifest.kind != "Job"
                before = self._crashes(pod, container) if counts else container.crashes
                if problem := container.problem(before):
                    raise Failing(manifest.title, problem, pod, container)
            if lasting := self._lasting(pod.uid, warnings.get(pod.uid, ()), not pod.ready):
                raise Failing(manifest.title, f"cannot start: {lasting}", pod)
        if (failure := workloads.failure(workload)) and not self._failed_before(manifest, workload):
            pods = [pod for pod in state.of(workload) if not pod.ready]
            raise Failing(manifest.title, failure, pods[0] if pods else None)
        replica_set = state.newest_replica_set(workload)
        uid = (replica_set or workload)["metadata"]["uid"]
        short_of_pods = len(state.current(workload)) < workloads.wanted(workload)
        if lasting := self._lasting(uid, warnings.get(uid, ()), short_of_pods):
            raise Failing(manifest.title, f"gets no pods: {lasting}")

    def _crashes(self, pod: Pod, container: Container) -> int:
        known = next((one for one in self.before.pods if one.uid == pod.uid), None)
        earlier = known.container(container.name) if known else None
        return earlier.crashes if earlier else 0

    def _failed_before(self, manifest: Manifest, workload: Mapping[str, Any]) -> bool:
        known = self.before.find(manifest)
        return (
            known is not None
            and bool(workloads.failure(known))
            and known["metadata"].get("generation") == workload["metadata"].get("generation")
        )

    def _lasting(self, uid: str, messages: Sequence[str], concerns: bool) -> str:
        """Return a warning that has been there for too long; empty where none has."""
        for message in reversed(messages):
            if concerns and message.startswith(_LASTING):
                return message if self._for(uid, "warned") >= PATIENCE else ""
        self._since.pop((uid, "warned"), None)
        return ""

    def _unsteady(self, manifest: Manifest, pods: Sequence[Pod]) -> str:
        """Return what speaks against pods that are all available; empty where nothing does."""
        expected = {one["name"]: digest_in(str(one.get("image"))) for one in manifest.containers}
        for pod in pods:
            for container in pod.containers:
                wanted = expected.get(container.name)
                found = self.deployment.released(container.digest)
                if wanted and found and found != wanted:
                    return f"{pod.name} runs {short(found)}, not {short(wanted)}"
        if manifest.kind == "Job":
            return ""
        fresh = [pod for pod in pods if not self._was_up(pod) and not pod.over]
        steady = [self._for(pod.uid, pod.restarts) >= MONITOR for pod in fresh]
        return "" if all(steady) else f"pods up, watched for {MONITOR:.0f} s"

    def _was_up(self, pod: Pod) -> bool:
        return any(
            one.uid == pod.uid and one.ready and one.restarts == pod.restarts
            for one in self.before.pods
        )

    def _for(self, uid: str, what: object) -> float:
        """Return for how many seconds something has been so."""
        now = self.clock()
        return now - self._since.setdefault((uid, what), now)

    def _show(self, title: str, what: str) -> None:
        if self._told.get(title) != what and (what != "up" or title in self._told):
            self._told[title] = what
            self.tell(f"{title}: {what}")


def _with_pending(what: str, pods: Sequence[Pod]) -> str:
    """Return what is waited for, with a pod that has no node: that may take for ever."""
    pending = next((pod for pod in pods if pod.pending), None)
    return f"{what}; pod {pending.name} has no node: {pending.pending}" if pending else what


def _unfinished(manifest: Manifest, what: str, pods: Sequence[Pod], warnings: Warnings) -> Failing:
    """Return what is not up, with the pod that shows why."""
    for pod in pods:
        if pod.pending:
            return Failing(manifest.title, f"is not up ({what}): {pod.pending}", pod)
        if not pod.ready and not pod.over:
            container = next((one for one in pod.containers if not one.ready), None)
            said = "".join(f": {message}" for message in warnings.get(pod.uid, ())[-1:])
            condition = container.condition if container else pod.phase
            return Failing(
                manifest.title, f"is not up ({what}): {pod.name} is {condition}{said}", pod,
                container,
            )  # fmt: skip
    return Failing(manifest.title, f"is not up ({what})")
