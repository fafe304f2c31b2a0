"""Whether the namespace may be deployed to: rights, and whose the objects are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from buildonce.engines.base import Deployment
from buildonce.engines.kubernetes.kubectl import Kubectl, Refused
from buildonce.engines.kubernetes.manifest import WORKLOADS, Manifest, as_list
from buildonce.engines.kubernetes.ownership import owner
from buildonce.engines.kubernetes.state import WATCHED
from buildonce.errors import PreconditionError, UsageError

APPLYING = ("get", "create", "patch")


@dataclass(frozen=True, order=True)
class Right:
    """A verb on a resource, as roles name them."""

    verb: str
    resource: str
    group: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {'.'.join(filter(None, (self.resource, self.group)))}"


def require_namespace(kubectl: Kubectl) -> None:
    """See that the namespace exists.

    Raises:
        PreconditionError: it does not.
        UnavailableError: the API does not answer.
    """
    name = kubectl.target.namespace
    try:
        found = kubectl.item("get", "namespace", name, "--ignore-not-found")
    except Refused as refused:
        if not refused.forbidden:
            raise
        return  # whether it exists may not be asked; what follows will show
    if found is None:
        raise PreconditionError(
            f"{kubectl.target}: there is no namespace {name}",
            hint=f"kubectl --context={kubectl.target.host} create namespace {name}",
        )


def resources(kubectl: Kubectl) -> dict[tuple[str, str], tuple[str, bool]]:
    """Return the cluster's resources by version and kind: their name, and if namespaces have them.

    Raises:
        UnavailableError: the API does not answer.
    """
    rows = [line.split() for line in kubectl.run("api-resources", "--no-headers").splitlines()]
    return {(row[-3], row[-1]): (row[0], row[-2] == "true") for row in rows if len(row) >= 4}


def require_namespaced(
    manifests: Sequence[Manifest], deployment: Deployment,
    known: Mapping[tuple[str, str], tuple[str, bool]],
) -> None:  # fmt: skip
    """See that the cluster knows every kind, and has it in namespaces.

    Raises:
        UsageError: it does not.
    """
    for manifest in manifests:
        found = known.get((manifest.api_version, manifest.kind))
        if found is None:
            raise UsageError(
                f"{deployment.files.name}: the cluster of {deployment.target} has no kind "
                f"{manifest.kind} in {manifest.api_version}",
                hint="correct apiVersion and kind, or have the definition (CRD) installed first",
            )
        if not found[1]:
            raise UsageError(
                f"{deployment.files.name}: {manifest.title} belongs to the whole cluster, not to a "
                "namespace",
                hint="take it out of these files: whoever looks after the cluster applies it",
            )


def rights(
    manifests: Iterable[Manifest], known: Mapping[tuple[str, str], tuple[str, bool]]
) -> list[Right]:
    """Return the rights that deploying takes, as a Role has them."""
    wanted = {Right("list", *resource.split(".", 1)) for resource in WATCHED}
    wanted |= {Right("list", "events"), *(Right(verb, "configmaps") for verb in APPLYING)}
    for manifest in manifests:
        name, _ = known[manifest.api_version, manifest.kind]
        wanted |= {Right(verb, name, manifest.group) for verb in APPLYING}
        if manifest.kind in WORKLOADS:
            wanted.add(Right("get", "pods/log"))
        if manifest.kind == "StatefulSet":
            wanted.add(Right("delete", "pods"))
    return sorted(wanted)


def require_rights(kubectl: Kubectl, wanted: Sequence[Right]) -> None:
    """See that whoever asks has these rights.

    Raises:
        PreconditionError: some are missing; all of them are named.
        UnavailableError: the API does not answer.
    """
    reviews = [_review(right, kubectl.target.namespace) for right in wanted]
    answers = kubectl.items("create", "--filename=-", text=as_list(reviews))
    missing = [
        right
        for right, answer in zip(wanted, answers, strict=True)
        if not answer["status"].get("allowed")
    ]
    if missing:
        raise PreconditionError(
            f"{kubectl.target}: missing permissions in namespace {kubectl.target.namespace}: "
            + ", ".join(map(str, missing)),
            hint="bind a Role with them to the account that deploys (buildonce's documentation has "
            f"one, on Kubernetes); to see which account that is: {kubectl.line('auth', 'whoami')}",
        )


def require_free(found: Mapping[str, Mapping[str, Any]], deployment: Deployment) -> None:
    """See that no object that is to be applied belongs to somebody else.

    Raises:
        PreconditionError: one does.
    """
    for item in found.values():
        if whose := owner(item, deployment.target.project):
            raise PreconditionError(
                f"{Manifest(item).title} in {deployment.target} belongs to {whose}",
                hint="two tools would undo each other's work: take it out of one of them, or give "
                "it another name",
            )


def _review(right: Right, namespace: str) -> dict[str, Any]:
    resource, _, subresource = right.resource.partition("/")
    attributes = {
        "namespace": namespace,
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
