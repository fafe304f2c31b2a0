"""What is not deployed, each with its remedy: seen in the files, before the cluster is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from buildonce.engines.base import Deployment
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.errors import UsageError

CLUSTER_SCOPED = frozenset(
    {
        *("APIService", "CertificateSigningRequest", "ClusterRole", "ClusterRoleBinding"),
        *("CSIDriver", "CSINode", "CustomResourceDefinition", "FlowSchema", "IngressClass"),
        *("MutatingAdmissionPolicy", "MutatingWebhookConfiguration", "Namespace", "Node"),
        *("PersistentVolume", "PriorityClass", "PriorityLevelConfiguration", "RuntimeClass"),
        *("StorageClass", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
        *("ValidatingWebhookConfiguration", "VolumeAttachment"),
    }
)
"""Kinds of Kubernetes itself that belong to no namespace."""

Problem = tuple[str, str]
"""What is wrong, and the remedy."""


def require_deployable(manifests: Sequence[Manifest], deployment: Deployment) -> None:
    """See that everything in the files may be deployed.

    Raises:
        UsageError: something may not; the message names each such object.
    """
    found = [
        (f"{manifest.title}: {problem}", remedy)
        for manifest in manifests
        for check in _CHECKS
        for problem, remedy in check(manifest, deployment)
    ]
    found += [*_twice(manifests), *_scaled_twice(manifests)]
    if not manifests:
        found.append(("it has no objects", "commit the manifests of what the environment runs"))
    if found:
        problems = "\n".join(f"  {problem}" for problem, _ in found)
        remedies = "; ".join(dict.fromkeys(remedy for _, remedy in found))
        raise UsageError(
            f"{deployment.files.name} of release {deployment.sha} cannot be deployed:\n{problems}",
            hint=remedies,
        )


def _unnamed(manifest: Manifest, _: Deployment) -> Iterator[Problem]:
    if manifest.metadata.get("generateName"):
        yield "generateName makes another object each time", "give it a metadata.name"
    elif not manifest.name or not manifest.api_version:
        yield "apiVersion or metadata.name is missing", "every object needs both"


def _secret(manifest: Manifest, _: Deployment) -> Iterator[Problem]:
    if manifest.kind == "Secret" and (manifest.body.get("data") or manifest.body.get("stringData")):
        yield (
            "a Secret's data would be kept in git and in the ledger",
            "create Secrets by other means, such as External Secrets, and refer to them by name",
        )


def _elsewhere(manifest: Manifest, deployment: Deployment) -> Iterator[Problem]:
    namespace = deployment.target.namespace
    if manifest.kind in CLUSTER_SCOPED:
        yield (
            "belongs to the whole cluster, not to a namespace",
            "take it out of these files: whoever looks after the cluster applies it",
        )
    elif manifest.namespace not in ("", namespace):
        yield (
            f"is for namespace {manifest.namespace}, and the environment's is {namespace}",
            "leave metadata.namespace out; several namespaces are several environments",
        )


def _incomplete(manifest: Manifest, _: Deployment) -> Iterator[Problem]:
    """Yield what would leave pods of two releases side by side, or not all of one."""
    strategy = manifest.spec.get("updateStrategy") or {}
    if manifest.kind == "Deployment" and manifest.spec.get("paused"):
        yield "is paused, so its pods would not change", "remove spec.paused"
    if manifest.kind in ("StatefulSet", "DaemonSet") and strategy.get("type") == "OnDelete":
        yield (
            "updateStrategy OnDelete leaves the pods as they are",
            "remove it: RollingUpdate is the default",
        )
    if (strategy.get("rollingUpdate") or {}).get("partition"):
        yield "a partition leaves some pods as they are", "remove rollingUpdate.partition"
    if manifest.kind == "Job" and manifest.spec.get("ttlSecondsAfterFinished") is not None:
        yield (
            "removes itself, so it would be missing, and the next promotion would run it again",
            "remove ttlSecondsAfterFinished: a Job goes with the release that drops it",
        )


_CHECKS: tuple[Callable[[Manifest, Deployment], Iterator[Problem]], ...] = (
    _unnamed,
    _secret,
    _elsewhere,
    _incomplete,
)


def _twice(manifests: Sequence[Manifest]) -> Iterator[Problem]:
    seen = set()
    for manifest in manifests:
        if manifest.key in seen:
            yield f"{manifest.title}: is there twice", "remove one of them"
        seen.add(manifest.key)


def _scaled_twice(manifests: Sequence[Manifest]) -> Iterator[Problem]:
    """Yield workloads whose number of pods is written down and left to an autoscaler."""
    counted = {
        (manifest.kind, manifest.name): manifest
        for manifest in manifests
        if manifest.spec.get("replicas") is not None
    }
    for scaler in manifests:
        if scaler.kind == "HorizontalPodAutoscaler":
            reference = scaler.spec.get("scaleTargetRef") or {}
            scaled = counted.get((str(reference.get("kind")), str(reference.get("name"))))
            if scaled:
                yield (
                    f"{scaled.title}: spec.replicas would undo what {scaler.title} does",
                    "remove spec.replicas: the autoscaler has its own bounds",
                )
