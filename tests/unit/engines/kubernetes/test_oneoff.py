"""A pre-deploy command as a Job: what it takes over from the release, and what it leaves alone."""

from __future__ import annotations

import copy
from typing import Any

from buildonce.engines.base import Deployment, Files, Target
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.oneoff import OneOff
from buildonce.refs import ImageRef

IMAGE = f"r.example.org/api@sha256:{'a' * 64}"
SETTINGS = Manifest(
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "1"}}
)


def workload() -> Manifest:
    """A Deployment that refers to a ConfigMap in each of the ways that there are."""
    container: dict[str, Any] = {
        "name": "api",
        "image": IMAGE,
        "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "a"}}}],
        "envFrom": [{"configMapRef": {"name": "settings"}}],
        "readinessProbe": {"httpGet": {"port": 8000}},
    }
    spec = {
        "containers": [container],
        "volumes": [{"name": "settings", "configMap": {"name": "settings"}}],
    }
    return Manifest(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "api"},
            "spec": {"template": {"spec": spec}},
        }
    )


def once(*manifests: Manifest) -> OneOff:
    target = Target("production", "kubernetes", host="lab", namespace="shop", project="shop")
    files = Files((), lambda folder: folder, lambda _: "")
    made = Deployment(target, "0" * 12, files, {"api": ImageRef.parse(IMAGE)})
    return OneOff(manifests, made, "api", ["migrate"])


def test_the_releases_own_manifests_stay_as_they_are() -> None:
    """Nothing that the Job changes for itself gets into what is deployed after it."""
    manifests = [SETTINGS, workload()]
    before = copy.deepcopy([manifest.body for manifest in manifests])
    made = once(*manifests)
    made.job()
    made.copies()
    assert [manifest.body for manifest in manifests] == before


def test_every_reference_of_the_job_is_to_the_copy() -> None:
    """Variables, all variables at once, and volumes: each reads the release's ConfigMap."""
    made = once(SETTINGS, workload())
    (copied,) = made.copies()
    assert made.job().template is not None
    spec = made.job().template["spec"]  # type: ignore[index]
    (container,) = spec["containers"]
    assert {
        container["env"][0]["valueFrom"]["configMapKeyRef"]["name"],
        container["envFrom"][0]["configMapRef"]["name"],
        spec["volumes"][0]["configMap"]["name"],
    } == {copied.name}
    assert copied.name != SETTINGS.name
    assert container["args"] == ["migrate"]
    assert "readinessProbe" not in container
