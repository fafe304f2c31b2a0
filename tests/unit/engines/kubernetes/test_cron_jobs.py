"""What a CronJob has running: noted, and never judged."""

from __future__ import annotations

from typing import Any

import pytest

from buildonce.engines.base import Deployment, Files, Target
from buildonce.engines.kubernetes.evidence import KUBELET, Evidence
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.state import State
from buildonce.refs import ImageRef, parse_digest

OLD, NEW = (parse_digest(f"sha256:{letter * 64}") for letter in "ab")
IMAGE = f"r.example.org/api@{NEW}"
TARGET = Target("production", "kubernetes", host="lab", namespace="shop", project="shop")
DEPLOYMENT = Deployment(
    TARGET, "0" * 12, Files((), lambda folder: folder, lambda _: ""), {"api": ImageRef.parse(IMAGE)}
)

PODS = {"spec": {"containers": [{"name": "night", "image": IMAGE}]}}
CRON_JOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "metadata": {"name": "night", "uid": "1"},
    "spec": {"jobTemplate": {"spec": {"template": PODS}}},
}


def controlled(kind: str, uid: str, by: str, **rest: Any) -> dict[str, Any]:
    owner = {"uid": by, "controller": True}
    metadata = {"name": f"night-{uid}", "uid": uid, "ownerReferences": [owner]}
    return {"kind": kind, "metadata": metadata, **rest}


def a_run(phase: str, state: dict[str, Any]) -> State:
    """A Job of the CronJob that began before the release came, and its pod."""
    status = {"name": "night", "imageID": f"r.example.org/api@{OLD}", "state": state}
    pod = controlled(
        "Pod", "3", "2", spec=PODS["spec"], status={"phase": phase, "containerStatuses": [status]}
    )
    return State((controlled("Job", "2", "1", spec={}), pod))


@pytest.mark.parametrize(
    ("phase", "state", "rows"),
    [
        ("Running", {"running": {}}, [("night-3", OLD)]),
        ("Pending", {"waiting": {"reason": "ContainerCreating"}}, [("night-3", OLD)]),
        ("Failed", {"terminated": {"exitCode": 1}}, []),
    ],
)
def test_a_run_of_a_cron_job_is_no_stray(
    phase: str, state: dict[str, Any], rows: list[tuple[str, str]]
) -> None:
    """It is shown with its bytes while it runs; those of the release before are no difference."""
    manifest = Manifest(CRON_JOB)
    found = Evidence(
        DEPLOYMENT, [manifest], {manifest.key: CRON_JOB}, a_run(phase, state), (), frozenset()
    ).rows()
    runs = [row for row in found if row.source == KUBELET]
    assert [(row.container, row.digest) for row in runs] == rows
    assert not any(row.problem or row.stray for row in runs)
