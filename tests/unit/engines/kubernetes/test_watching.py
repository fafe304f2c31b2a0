"""What is said while a release comes up."""

from __future__ import annotations

from typing import Any

import pytest

from buildonce.engines.base import Deployment, Files, Target
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.state import State
from buildonce.engines.kubernetes.watching import Watch

TARGET = Target("production", "kubernetes", host="lab", namespace="shop", project="shop")
DEPLOYMENT = Deployment(TARGET, "0" * 12, Files((), lambda folder: folder, lambda _: ""), {})
MESSAGE = "0/1 nodes are available: 1 Insufficient memory."

WORKLOADS: dict[str, dict[str, Any]] = {
    kind: {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": "api", "uid": "1"},
        "spec": {"template": {"spec": {"containers": []}}},
    }
    for kind, version in {"Job": "batch/v1", "ReplicaSet": "apps/v1"}.items()
}
PENDING = {
    "kind": "Pod",
    "metadata": {
        "name": "api-1", "uid": "2", "ownerReferences": [{"uid": "1", "controller": True}],
    },
    "spec": {"containers": []},
    "status": {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "message": MESSAGE}],
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", WORKLOADS)
def test_a_pod_that_fits_nowhere_is_told_while_it_is_waited_for(kind: str) -> None:
    """A Job without a limit waits for ever: pod and reason are said at once, and once."""
    told: list[str] = []
    watch = Watch(DEPLOYMENT, [Manifest(WORKLOADS[kind])], State(()), told.append)
    for _ in range(2):
        assert watch.look(State((WORKLOADS[kind], PENDING)), {})
    (line,) = told
    assert line.startswith(f"{kind.lower()}/api: ")
    assert line.endswith(f"pod api-1 has no node: {MESSAGE}")


def test_what_is_up_on_a_silent_node_is_waited_for() -> None:
    """What a node last said of its pods proves nothing while it does not answer: it may be back."""
    told: list[str] = []
    running = {**PENDING, "spec": {"containers": [], "nodeName": "n1"}, "status": {}}
    present = State((WORKLOADS["ReplicaSet"], running))
    watch = Watch(DEPLOYMENT, [Manifest(WORKLOADS["ReplicaSet"])], State(()), told.append)
    for _ in range(2):
        (waiting,) = watch.unproven(present, {"n1"})
    assert "pod api-1 is on n1, a node that does not answer" in waiting.what
    assert told == ["replicaset/api: pod api-1 is on n1, a node that does not answer"]
    assert watch.unproven(present, {"n2"}) == []
