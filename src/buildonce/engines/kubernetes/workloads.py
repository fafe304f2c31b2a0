"""When a workload is up, by its own kind's rules. Pure functions of what the API says.

Status fields are worth something only once the controller has seen the latest generation, and
"available" may still speak of pods that are about to be replaced: so the pods of the newest
template are counted, not conditions believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXCEEDED = "ProgressDeadlineExceeded"


def wanted(workload: Mapping[str, Any]) -> int:
    """Return how many pods a workload should have."""
    spec, status = workload["spec"], workload.get("status") or {}
    if workload["kind"] == "DaemonSet":
        return int(status.get("desiredNumberScheduled", 0))
    if workload["kind"] == "Pod":
        return 1
    if workload["kind"] == "Job":
        return int(spec.get("completions") or spec.get("parallelism") or 1)
    replicas = spec.get("replicas")
    return 1 if replicas is None else int(replicas)


def waiting_for(workload: Mapping[str, Any]) -> str:
    """Return what a workload still waits for, in words; empty once it is up."""
    status = workload.get("status") or {}
    generation = workload["metadata"].get("generation", 0)
    kind = workload["kind"]
    if kind in _COUNTED and int(status.get("observedGeneration", 0)) < int(generation):
        return "its controller has not seen the change yet"
    if kind in _COUNTED:
        return _counted(workload, *_COUNTED[kind])
    if kind == "Job":
        return "" if condition(workload, "Complete") else "it still runs"
    if kind == "Pod":
        done = condition(workload, "Ready") or status.get("phase") == "Succeeded"
        return "" if done else "it is not ready"
    return ""


def failure(workload: Mapping[str, Any]) -> str:
    """Return why a workload has been given up by its own controller; empty where it has not."""
    if workload["kind"] == "Job" and (failed := condition(workload, "Failed")):
        return f"failed: {failed.get('reason', '')}: {failed.get('message', '')}"
    for one in (workload.get("status") or {}).get("conditions") or ():
        if one["type"] == "Progressing" and one.get("reason") == EXCEEDED:
            return "made no progress within its progressDeadlineSeconds"
    return ""


def condition(workload: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """Return a condition that is true."""
    for one in (workload.get("status") or {}).get("conditions") or ():
        if one["type"] == kind and one["status"] == "True":
            found: Mapping[str, Any] = one
            return found
    return None


_COUNTED = {
    "Deployment": ("replicas", "updatedReplicas", "availableReplicas"),
    "StatefulSet": ("replicas", "updatedReplicas", "availableReplicas"),
    "ReplicaSet": ("replicas", "replicas", "availableReplicas"),
    "DaemonSet": ("currentNumberScheduled", "updatedNumberScheduled", "numberAvailable"),
}
"""The status fields that count all pods, those of the newest template, and those available."""


def _counted(workload: Mapping[str, Any], every: str, updated: str, available: str) -> str:
    status, want = workload.get("status") or {}, wanted(workload)
    has, new, up = (int(status.get(field, 0)) for field in (every, updated, available))
    if (has, new, up) == (want, want, want):
        return ""
    former = max(has - new, 0)
    old = f", {former} of the earlier template" if former else ""
    # those of the earlier template are the ones that are up, as far as anybody can tell
    return f"{max(min(new, up - former), 0)} of {want} pods up{old}"
