"""Images for several platforms: a kubelet may report the index or its platform's manifest."""

from __future__ import annotations

from typing import Any

import pytest

from buildonce.engines.base import Deployment, Files, Target
from buildonce.engines.kubernetes.evidence import KUBELET, Evidence
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.state import State
from buildonce.engines.kubernetes.watching import Watch
from buildonce.refs import ImageRef, parse_digest

INDEX = parse_digest(f"sha256:{'a' * 64}")
PLATFORM = parse_digest(f"sha256:{'b' * 64}")
OTHER = parse_digest(f"sha256:{'c' * 64}")
IMAGE = f"r.example.org/api@{INDEX}"

JOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "api", "uid": "1"},
    "spec": {"template": {"spec": {"containers": [{"name": "api", "image": IMAGE}]}}},
    "status": {"conditions": [{"type": "Complete", "status": "True"}]},
}


def deployment() -> Deployment:
    """A release of one index, of which one platform's manifest is known."""
    target = Target("production", "kubernetes", host="lab", namespace="shop", project="shop")
    files = Files((), lambda folder: folder, lambda _: "")
    images = {"api": ImageRef.parse(IMAGE)}
    return Deployment(target, "0" * 12, files, images, indexes={PLATFORM: INDEX})


def state(reported: str) -> State:
    """The Job, and a pod whose kubelet reports this digest."""
    pod = {
        "kind": "Pod",
        "metadata": {
            "name": "api-1",
            "uid": "2",
            "ownerReferences": [{"uid": "1", "controller": True}],
        },
        "spec": {"containers": [{"name": "api", "image": IMAGE}]},
        "status": {
            "phase": "Succeeded",
            "containerStatuses": [
                {
                    "name": "api",
                    "imageID": f"r.example.org/api@{reported}",
                    "state": {"terminated": {"exitCode": 0}},
                }
            ],
        },
    }
    return State((JOB, pod))


@pytest.mark.parametrize("reported", [INDEX, PLATFORM])
def test_a_deploy_takes_either_for_the_release(reported: str) -> None:
    """The wait ends where pods run the index, or its manifest for their node."""
    watch = Watch(deployment(), [Manifest(JOB)], State(()), lambda _: None)
    assert watch.look(state(reported), {}) == []


def test_a_deploy_waits_while_other_bytes_run() -> None:
    """A manifest that no index of the release has is not the release's."""
    watch = Watch(deployment(), [Manifest(JOB)], State(()), lambda _: None)
    (waiting,) = watch.look(state(OTHER), {})
    assert "runs cccccccccccc, not aaaaaaaaaaaa" in str(waiting)


@pytest.mark.parametrize(
    ("reported", "problem"), [(INDEX, False), (PLATFORM, False), (OTHER, True)]
)
def test_the_evidence_names_the_release(reported: str, problem: bool) -> None:
    """A pod's row has the index's digest; other bytes are a problem."""
    rows = Evidence(
        deployment(), [Manifest(JOB)], {Manifest(JOB).key: JOB}, state(reported), (), frozenset()
    ).rows()
    (row,) = [row for row in rows if row.source == KUBELET]
    assert bool(row.problem) == problem
