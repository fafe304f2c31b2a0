"""What a namespace has of one project: read at once, and looked up by who controls what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from buildonce.engines.kubernetes import pods
from buildonce.engines.kubernetes.kubectl import Kubectl, Refused, named
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.pods import Pod

LABEL = "buildonce/project"
"""Marks everything of a project, its pods included."""

WATCHED = (
    *("deployments.apps", "statefulsets.apps", "daemonsets.apps", "replicasets.apps"),
    *("controllerrevisions.apps", "jobs.batch", "pods"),
)
"""What has to be read to know how a deploy goes."""

REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True)
class State:
    """The objects of a project at one moment."""

    items: tuple[Mapping[str, Any], ...]

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], Mapping[str, Any]]:
        return {(item["kind"], item["metadata"]["name"]): item for item in self.items}

    @cached_property
    def pods(self) -> tuple[Pod, ...]:
        """Every pod."""
        return tuple(pods.read(item) for item in self.items if item["kind"] == "Pod")

    def find(self, manifest: Manifest) -> Mapping[str, Any] | None:
        """Return the object that a manifest names."""
        return self._by_name.get((manifest.kind, manifest.name))

    def controlled(self, uid: str, kind: str) -> list[Mapping[str, Any]]:
        """Return the objects of a kind that another one controls."""
        return [
            item for item in self.items if item["kind"] == kind and pods.controller(item) == uid
        ]

    def current(self, workload: Mapping[str, Any]) -> list[Pod]:
        """Return the pods of a workload's newest template that are not about to end."""
        found = [pod for pod in self.of(workload) if not pod.ending]
        revision = self._revision(workload)
        return [pod for pod in found if revision in ("", pod.revision)]

    def of(self, workload: Mapping[str, Any]) -> list[Pod]:
        """Return all pods of a workload, those of earlier templates included."""
        uid = workload["metadata"]["uid"]
        owners = {uid, *(rs["metadata"]["uid"] for rs in self.controlled(uid, "ReplicaSet"))}
        return [pod for pod in self.pods if pod.owner in owners or pod.uid == uid]

    def newest_replica_set(self, deployment: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the ReplicaSet of a Deployment's present template.

        Going back gives an old ReplicaSet a new revision number, so that number decides, not
        when one was made.
        """
        revision = _annotations(deployment).get(REVISION)
        for candidate in self.controlled(deployment["metadata"]["uid"], "ReplicaSet"):
            if _annotations(candidate).get(REVISION) == revision:
                return candidate
        return None

    def _revision(self, workload: Mapping[str, Any]) -> str:
        """Return the hash that pods of the newest template have; empty where they have none."""
        kind, metadata = workload["kind"], workload["metadata"]
        if kind == "Deployment":
            newest = self.newest_replica_set(workload)
            labels = (newest or {"metadata": {}})["metadata"].get("labels") or {}
            return str(labels.get("pod-template-hash", "none yet"))
        if kind == "StatefulSet":
            return str((workload.get("status") or {}).get("updateRevision", "none yet"))
        if kind == "DaemonSet":
            revisions = self.controlled(metadata["uid"], "ControllerRevision")
            newest = max(revisions, key=lambda one: int(one.get("revision", 0)), default=None)
            labels = (newest or {"metadata": {}})["metadata"].get("labels") or {}
            return str(labels.get("controller-revision-hash", "none yet"))
        return ""


def silent_nodes(kubectl: Kubectl) -> frozenset[str]:
    """Return the nodes that do not answer, as far as they may be looked at."""
    try:
        nodes = kubectl.items("get", "nodes")
    except Refused:
        return frozenset()
    return frozenset(
        node["metadata"]["name"]
        for node in nodes
        for one in node["status"].get("conditions") or ()
        if one["type"] == "Ready" and one["status"] != "True"
    )


def read(kubectl: Kubectl, project: str) -> State:
    """Return what the namespace has of a project.

    Raises:
        UnavailableError: the API does not answer, or refuses.
    """
    found = kubectl.items("get", named(WATCHED), f"--selector={LABEL}={project}")
    return State(tuple(found))


def live(kubectl: Kubectl, manifests: Iterable[Manifest]) -> dict[str, Mapping[str, Any]]:
    """Return those objects of a release that exist, by key, with who owns their fields.

    Raises:
        UnavailableError: the API does not answer, or refuses.
    """
    references = [f"{_resource(manifest)}/{manifest.name}" for manifest in manifests]
    if not references:
        return {}
    options = ("--ignore-not-found", "--show-managed-fields")
    found = kubectl.items("get", *options, *references)
    return {Manifest(item).key: item for item in found}


def _resource(manifest: Manifest) -> str:
    """Return a kind as kubectl takes it, with its version and group."""
    group, _, version = manifest.api_version.rpartition("/")
    return f"{manifest.kind}.{version}.{group}" if group else manifest.kind


def _annotations(thing: Mapping[str, Any]) -> Mapping[str, str]:
    return thing["metadata"].get("annotations") or {}
