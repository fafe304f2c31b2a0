"""A pre-deploy command, as a Job of a service's own pod template."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from buildonce.engines.base import Deployment
from buildonce.engines.kubernetes.manifest import WORKLOADS, Manifest
from buildonce.engines.kubernetes.state import LABEL
from buildonce.errors import UsageError

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "ports")
_LONGEST = 63
_KEPT = 600


@dataclass(frozen=True)
class OneOff:
    """A command in a container of ``service``, with what it needs of the release."""

    manifests: Sequence[Manifest]
    deployment: Deployment
    service: str
    command: Sequence[str]

    @property
    def name(self) -> str:
        """The Job's name."""
        return f"{self.deployment.target.project}-pre-deploy-{self.deployment.sha}"[:_LONGEST]

    @property
    def container(self) -> str:
        """The name of the container that runs the command."""
        return str(self._container[1]["name"])

    def job(self) -> Manifest:
        """Return the Job: no retries, a deadline of its own, and none of the Services' labels."""
        workload, container = self._container
        assert workload.template is not None
        spec = copy.deepcopy(workload.template["spec"])
        kept = {name: value for name, value in container.items() if name not in _PROBES}
        # a command of Kubernetes is the image's entrypoint, its arguments the image's command
        main = {**copy.deepcopy(kept), "args": list(self.command)}
        spec |= {"containers": [main], "restartPolicy": "Never"}
        self._refer_to_copies(spec)
        labels = {LABEL: self.deployment.target.project}
        limit = self.deployment.target.pre_deploy_timeout
        return Manifest(
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {"name": self.name, "labels": labels},
                "spec": {
                    "backoffLimit": 0,
                    **({"activeDeadlineSeconds": int(limit)} if limit else {}),
                    "ttlSecondsAfterFinished": _KEPT,
                    "template": {"metadata": {"labels": labels}, "spec": spec},
                },
            }
        )

    def copies(self) -> list[Manifest]:
        """Return the release's ConfigMaps that the command reads, under names of their own.

        Those of the release before stay as they are, for what runs reads them.
        """
        workload, _ = self._container
        assert workload.template is not None
        wanted = {reference["name"] for reference in _config_maps(workload.template["spec"])}
        return [
            Manifest(
                {
                    **manifest.body,
                    "metadata": {
                        "name": self._copy(manifest.name),
                        "labels": {LABEL: self.deployment.target.project},
                    },
                }
            )
            for manifest in self.manifests
            if manifest.kind == "ConfigMap" and manifest.name in wanted
        ]

    def ahead(self) -> list[Manifest]:
        """Return what the command may need besides: all that runs no image of the release's own.

        Only those that do not exist yet are applied ahead of the release.
        """
        own = {str(ref) for ref in self.deployment.images.values()}
        return [
            manifest
            for manifest in self.manifests
            if manifest.kind not in ("ConfigMap", "Ingress", "CronJob", "PodDisruptionBudget")
            and not any(container.get("image") in own for container in manifest.containers)
            and manifest.kind != "HorizontalPodAutoscaler"
        ]

    @property
    def _container(self) -> tuple[Manifest, Mapping[str, Any]]:
        image = str(self.deployment.images.get(self.service, ""))
        for manifest in self.manifests:
            if manifest.kind in WORKLOADS:
                for container in (manifest.template or {}).get("spec", {}).get("containers") or ():
                    if image and container.get("image") == image:
                        return manifest, container
        raise UsageError(
            f"{self.deployment.files.name} has no workload with service {self.service}, whose "
            "pre-deploy command is to be run",
            hint="name a service that a Deployment, StatefulSet, DaemonSet or Job runs",
        )

    def _copy(self, name: str) -> str:
        return f"{name}-{self.deployment.sha}-pre-deploy"

    def _refer_to_copies(self, spec: dict[str, Any]) -> None:
        own = {manifest.name for manifest in self.manifests if manifest.kind == "ConfigMap"}
        for reference in _config_maps(spec):
            if reference["name"] in own:
                reference["name"] = self._copy(reference["name"])


def _config_maps(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every reference to a ConfigMap in a pod's specification."""
    for field in ("initContainers", "containers"):
        for container in spec.get(field) or ():
            for variable in container.get("env") or ():
                yield from _reference((variable.get("valueFrom") or {}).get("configMapKeyRef"))
            for source in container.get("envFrom") or ():
                yield from _reference(source.get("configMapRef"))
    for volume in spec.get("volumes") or ():
        yield from _reference(volume.get("configMap"))
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield from _reference(source.get("configMap"))


def _reference(found: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    if found and found.get("name"):
        yield found
