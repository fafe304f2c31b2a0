"""What runs in a namespace, measured against a release. Pure functions of what the API says."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from buildonce.engines.base import Deployment, Running
from buildonce.engines.kubernetes import workloads
from buildonce.engines.kubernetes.manifest import WORKLOADS, Manifest
from buildonce.engines.kubernetes.ownership import drift
from buildonce.engines.kubernetes.pods import Container, Pod, digest_in
from buildonce.engines.kubernetes.state import State
from buildonce.refs import Digest

KUBELET = "kubelet"
"""The source of a pod's digest: the word of the kubelet on its node."""

OBJECT = "object"
TEMPLATE = "template"

AS_APPLIED = "running"


@dataclass(frozen=True)
class Evidence:
    """Makes the rows.

    ``live`` are the release's objects that exist, by key; ``leftovers`` what earlier releases
    left; ``silent`` the nodes that do not answer.
    """

    deployment: Deployment
    manifests: Sequence[Manifest]
    live: Mapping[str, Mapping[str, Any]]
    state: State
    leftovers: Sequence[Mapping[str, Any]]
    silent: frozenset[str]

    def rows(self) -> list[Running]:
        """Return a row for each container of each pod, each object, and each that is too much."""
        rows = []
        for manifest in self.manifests:
            rows.append(self._object(manifest))
            if manifest.kind in WORKLOADS:
                rows += self._workload(manifest)
            elif manifest.template is not None:
                rows += self._template(manifest)
                rows += [self._run(manifest, pod) for pod in self._runs_of(manifest)]
        return self.deployment.recognised([*rows, *self._strays()])

    @property
    def _host(self) -> str:
        return "/".join((self.deployment.target.host, self.deployment.target.namespace))

    def _object(self, manifest: Manifest) -> Running:
        live = self.live.get(manifest.key)
        state = "missing" if live is None else drift(manifest, live)
        return self._row(manifest.title, "", state=state or AS_APPLIED, source=OBJECT)

    def _workload(self, manifest: Manifest) -> Iterator[Running]:
        workload = self.state.find(manifest)
        if workload is None:
            return
        current, want = self.state.current(workload), workloads.wanted(workload)
        outdated = [
            pod
            for pod in self.state.of(workload)
            if pod not in current and not pod.ending and not pod.over
        ]
        for pod in [*current, *outdated]:
            if not (pod.over and manifest.kind != "Job"):
                yield from self._pod(manifest, pod)
        running = [pod for pod in current if not pod.over or manifest.kind == "Job"]
        for _ in range(want - len(running)):
            yield self._row(manifest.title, "a pod", state="missing", source=KUBELET)
        if want == 0:
            yield from self._template(manifest)

    def _pod(self, manifest: Manifest, pod: Pod) -> Iterator[Running]:
        expected = {one["name"]: one.get("image", "") for one in manifest.containers}
        for container in pod.containers:
            image = str(expected.get(container.name, ""))
            yield self._row(
                self._service(image, manifest),
                f"{pod.name}/{container.name}",
                state=self._condition(pod, container, injected=container.name not in expected),
                digest=container.digest,
                expected=digest_in(image),
                source=KUBELET,
            )

    def _condition(self, pod: Pod, container: Container, *, injected: bool) -> str:
        if obstacle := pod.obstacle(self.silent):
            return obstacle
        if pod.over and container.exit_code == 0:
            return "completed"
        # what the cluster puts into pods is noted, not judged
        return AS_APPLIED if injected else container.condition

    def _template(self, manifest: Manifest) -> Iterator[Running]:
        """Yield what would run, where nothing does."""
        live = self.live.get(manifest.key)
        if live is None:
            return
        found = {one["name"]: one.get("image", "") for one in Manifest(live).containers}
        for container in manifest.containers:
            image = str(container.get("image", ""))
            if expected := digest_in(image):
                yield self._row(
                    self._service(image, manifest),
                    f"{manifest.title}/{container['name']}",
                    state=AS_APPLIED,
                    digest=digest_in(str(found.get(container["name"], ""))),
                    expected=expected,
                    source=TEMPLATE,
                )

    def _runs_of(self, manifest: Manifest) -> list[Pod]:
        """Return the pods that a CronJob has running."""
        live = self.live.get(manifest.key)
        jobs = self.state.controlled(live["metadata"]["uid"], "Job") if live else ()
        return [pod for job in jobs for pod in self.state.of(job) if not pod.over]

    def _run(self, manifest: Manifest, pod: Pod) -> Running:
        """Return a row that judges nothing: a run may have begun before the release came."""
        digest = next((one.digest for one in pod.containers if not one.init), None)
        return self._row(manifest.title, pod.name, state=AS_APPLIED, digest=digest)

    def _strays(self) -> Iterator[Running]:
        for item in self.leftovers:
            yield self._row(Manifest(item).title, "", state="exists", source=OBJECT, stray=True)
        known = {
            pod.uid
            for manifest in self.manifests
            if (workload := self.state.find(manifest)) is not None
            for pod in self.state.of(workload)
        } | {pod.uid for manifest in self.manifests for pod in self._runs_of(manifest)}
        gone = {Manifest(item).metadata.get("uid") for item in self.leftovers}
        for pod in self.state.pods:
            if pod.uid not in known and pod.uid not in gone and not pod.ending and not pod.over:
                yield self._row(
                    "a pod",
                    pod.name,
                    state=pod.phase.lower(),
                    stray=True,
                    remedy=self._deletion(pod),
                )

    def _deletion(self, pod: Pod) -> str:
        target = self.deployment.target
        place = ("--context", target.host, "--namespace", target.namespace)
        return shlex.join(["kubectl", *place, "delete", "pod", pod.name])

    def _service(self, image: str, manifest: Manifest) -> str:
        for service, ref in self.deployment.images.items():
            if image == str(ref):
                return service
        return manifest.title

    def _row(
        self,
        service: str,
        container: str,
        *,
        state: str,
        digest: Digest | None = None,
        expected: Digest | None = None,
        source: str = KUBELET,
        stray: bool = False,
        remedy: str = "",
    ) -> Running:
        return Running(
            host=self._host, service=service, container=container, digest=digest, state=state,
            expected=expected, stray=stray, source=source, remedy=remedy,
        )  # fmt: skip
