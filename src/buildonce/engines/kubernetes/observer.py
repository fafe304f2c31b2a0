"""A namespace that another tool deploys to: whether its pods run a release's images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from buildonce.engines.base import Deployment, Running, Target
from buildonce.engines.kubernetes import access, workloads
from buildonce.engines.kubernetes.evidence import AS_APPLIED, KUBELET, TEMPLATE
from buildonce.engines.kubernetes.images import services_by_name
from buildonce.engines.kubernetes.kubectl import Kubectl, Refused, named
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.pods import Container, Pod, controller, digest_in
from buildonce.engines.kubernetes.state import State, silent_nodes
from buildonce.refs import Digest, full_name

_WORKLOADS = (
    *("deployments.apps", "statefulsets.apps", "daemonsets.apps", "replicasets.apps"),
    *("jobs.batch", "cronjobs.batch"),
)
_COUNTED = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"})
_WORD = "digests of pods are the word of each node's kubelet, which nothing here looks behind"
_BLIND = "workloads may not be listed here, so it may be scaled to zero"


class Observer:
    """Looks at all pods of the namespace, whoever made them."""

    def __init__(
        self, deployment: Deployment, connect: Callable[[Target], Kubectl] = Kubectl
    ) -> None:
        self.deployment = deployment
        self._kubectl = connect(deployment.target)

    def check(self) -> None:
        """See that the namespace is there, and that its pods may be listed."""
        access.require_namespace(self._kubectl)
        access.require_rights(self._kubectl, [access.Right("list", "pods")])

    def running(self) -> list[Running]:
        """Return a row for each container of a service in each pod, and for what is missing."""
        try:
            found, blind = self._kubectl.items("get", named((*_WORKLOADS, "pods"))), ""
        except Refused as refused:
            if not refused.forbidden:
                raise
            found, blind = self._kubectl.items("get", "pods"), _BLIND
        state = State(tuple(found))
        return Sight(self.deployment, state, silent_nodes(self._kubectl), blind).rows()


@dataclass(frozen=True)
class Sight:
    """Makes the rows, from what the API says.

    ``silent`` are the nodes that do not answer; ``blind`` says why workloads were not read.
    """

    deployment: Deployment
    state: State
    silent: frozenset[str] = frozenset()
    blind: str = ""

    def rows(self) -> list[Running]:
        """Return the rows, with those of services that nothing runs."""
        found = [*self._pods(), *self._workloads()]
        seen = {row.service for row in found}
        for service in self.deployment.images:
            if service not in seen:
                found.append(self._last_job(service) or self._nothing(service))
        word = Running(self._host, "", "", None, AS_APPLIED, source=KUBELET, unknown=_WORD)
        return self.deployment.recognised([*found, word])

    def _pods(self) -> Iterator[Running]:
        for pod in filter(_lasts, self.state.pods):
            for container in pod.containers:
                if service := self._service(container.image):
                    yield self._container(service, pod, container)

    def _container(self, service: str, pod: Pod, container: Container) -> Running:
        state = pod.obstacle(self.silent) or container.condition
        return self._row(service, f"{pod.name}/{container.name}", state, container.digest)

    def _workloads(self) -> Iterator[Running]:
        for item in self.state.items:
            manifest = Manifest(item)
            if manifest.kind == "CronJob":
                yield from self._template(manifest)
            elif manifest.kind in _COUNTED and not controller(item):
                yield from self._counted(manifest)

    def _counted(self, manifest: Manifest) -> Iterator[Running]:
        """Give what would run where nothing is to, and each pod that is to run and is not there."""
        want = workloads.wanted(manifest.body)
        if want == 0:
            yield from self._template(manifest)
        lasting = sum(map(_lasts, self.state.of(manifest.body)))
        for service in self._services(manifest):
            for _ in range(want - lasting):
                yield self._row(service, f"a pod of {manifest.title}", "missing", None)

    def _template(self, manifest: Manifest) -> Iterator[Running]:
        for container in manifest.containers:
            image = str(container.get("image", ""))
            if service := self._service(image):
                yield self._would_run(service, f"{manifest.title}/{container['name']}", image)

    def _would_run(self, service: str, title: str, image: str) -> Running:
        if digest := digest_in(image):
            return self._row(service, title, AS_APPLIED, digest, TEMPLATE)
        why = f"no pod of it runs, and {image} does not say by digest what would"
        return self._row(service, title, AS_APPLIED, None, TEMPLATE, why)

    def _last_job(self, service: str) -> Running | None:
        """Return what the latest Job ran of a service that nothing else runs."""
        jobs = [Manifest(item) for item in self.state.items if item["kind"] == "Job"]
        for job in sorted(jobs, key=_age, reverse=True):
            rows = [row for row in self._template(job) if row.service == service]
            if rows:
                return rows[0]
        return None

    def _nothing(self, service: str) -> Running:
        if self.blind:
            why = f"no pod of it runs; {self.blind}"
            return self._row(service, "", AS_APPLIED, None, KUBELET, why)
        names = " or ".join(name for name, one in self._names.items() if one == service)
        return self._row(service, "", f"missing: no pod has an image called {names}", None)

    def _services(self, manifest: Manifest) -> list[str]:
        images = (str(one.get("image", "")) for one in manifest.containers)
        return list(dict.fromkeys(filter(None, map(self._service, images))))

    def _service(self, image: str) -> str:
        return self._names.get(full_name(image), "")

    @cached_property
    def _names(self) -> Mapping[str, str]:
        return services_by_name(self.deployment)

    @property
    def _host(self) -> str:
        return "/".join((self.deployment.target.host, self.deployment.target.namespace))

    def _row(
        self, service: str, container: str, state: str, digest: Digest | None,
        source: str = KUBELET, unknown: str = "",
    ) -> Running:  # fmt: skip
        expected = digest_in(str(self.deployment.images[service]))
        return Running(
            host=self._host, service=service, container=container, digest=digest, state=state,
            expected=expected, source=source, unknown=unknown,
            remedy=f"inv images {self.deployment.target.name}   (for the tool that deploys there)",
        )  # fmt: skip


def _lasts(pod: Pod) -> bool:
    """Tell whether a pod is there to stay: what has ended may well have run another release."""
    return not (pod.ending or pod.over)


def _age(job: Manifest) -> Any:
    return job.metadata.get("creationTimestamp", "")
