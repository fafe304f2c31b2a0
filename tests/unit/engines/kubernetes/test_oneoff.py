"""A pre-deploy command as a Job: what it takes over from the release, and what it leaves alone."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from buildonce.engines.base import Deployment, Files, Target
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.oneoff import OneOff
from buildonce.errors import UsageError
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
    files = Files(("shop.yaml",), lambda folder: folder, lambda _: "")
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


def test_other_references_stay_as_they_are() -> None:
    """Secrets, and ConfigMaps of others; projected volumes are looked into."""
    made = workload()
    assert made.template is not None
    spec = made.template["spec"]
    spec["containers"][0]["env"] = [
        {"name": "A", "value": "1"},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "settings", "key": "a"}}},
        {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "elsewhere", "key": "a"}}},
        {"name": "D", "valueFrom": {"configMapKeyRef": {"key": "a", "optional": True}}},
    ]
    sources = [{"secret": {"name": "settings"}}, {"configMap": {"name": "settings"}}]
    spec["volumes"] = [{"name": "all", "projected": {"sources": sources}}, {"emptyDir": {}}]
    job = once(SETTINGS, made).job()
    assert job.template is not None
    found = job.template["spec"]
    assert found["containers"][0]["env"] == spec["containers"][0]["env"]
    assert [next(iter(one.values())) for one in found["volumes"][0]["projected"]["sources"]] == [
        {"name": "settings"}, {"name": "settings-000000000000-pre-deploy"},
    ]  # fmt: skip


def test_a_service_that_no_workload_runs_has_no_command() -> None:
    """A CronJob's pod template is no place to take it from."""
    with pytest.raises(UsageError, match="has no workload with service mail"):
        replace(once(SETTINGS, workload()), service="mail").job()
    nightly = Manifest({**workload().body, "kind": "CronJob"})
    with pytest.raises(UsageError, match="has no workload with service api"):
        once(nightly).job()


@pytest.mark.parametrize(("limit", "seconds"), [(None, None), (90.0, 90)])
def test_a_command_is_run_once_within_its_limit(limit: float | None, seconds: int | None) -> None:
    """No retries; without a limit there is no deadline."""
    made = once(workload())
    target = replace(made.deployment.target, pre_deploy_timeout=limit)
    job = replace(made, deployment=replace(made.deployment, target=target)).job()
    assert job.spec["backoffLimit"] == 0
    assert job.spec.get("activeDeadlineSeconds") == seconds


def test_what_runs_other_images_comes_ahead() -> None:
    """A database may be needed; what runs the release's bytes, or leads to it, comes later."""
    database = copy.deepcopy(dict(workload().body))
    database["metadata"]["name"] = "db"
    database["spec"]["template"]["spec"]["containers"][0]["image"] = "postgres:17"
    kinds = ("Ingress", "CronJob", "PodDisruptionBudget", "HorizontalPodAutoscaler", "Service")
    others = [Manifest({"kind": kind, "metadata": {"name": "x"}}) for kind in kinds]
    made = once(SETTINGS, workload(), Manifest(database), *others)
    assert [one.title for one in made.ahead()] == ["deployment/db", "service/x"]


def test_only_what_the_command_reads_is_copied() -> None:
    """Neither another ConfigMap, nor another object of the name."""
    other = Manifest({"kind": "ConfigMap", "metadata": {"name": "other"}})
    named_alike = Manifest({"kind": "Secret", "metadata": {"name": "settings"}})
    copied = once(SETTINGS, other, named_alike, workload()).copies()
    assert [one.title for one in copied] == ["configmap/settings-000000000000-pre-deploy"]
