"""Objects that are not deployed: each is named, with its remedy."""

from __future__ import annotations

import pytest

from buildonce.engines.kubernetes import manifest, refusals
from buildonce.errors import UsageError
from tests.kit.kubernetes import config_map, document, workload
from tests.unit.engines.kubernetes.test_images import deployment

MAIN = {"name": "api", "image": "r.example.org/api"}
SCALED = {"scaleTargetRef": {"kind": "Deployment", "name": "api"}}


def refused(text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        refusals.require_deployable(manifest.read(text, "shop.yaml"), deployment())
    return caught.value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (document("v1", "Secret", "key", data={"key": "c2VjcmV0"}), "secret/key: a Secret's data"),
        (document("v1", "Secret", "key", stringData={"key": "x"}), "secret/key: a Secret's data"),
        (document("v1", "Namespace", "shop"), "belongs to the whole cluster"),
        (
            document("v1", "ConfigMap", "c").replace('"name"', '"namespace": "else", "name"'),
            "is for namespace else, and the environment's is shop",
        ),
        (
            document("v1", "ConfigMap", "c").replace('"name"', '"generateName"'),
            "generateName makes another object each time",
        ),
        (document("", "ConfigMap", "c"), "apiVersion or metadata.name is missing"),
        (workload("Deployment", "api", MAIN, replicas=1, paused=True), "is paused"),
        (
            workload("DaemonSet", "api", MAIN, replicas=None, updateStrategy={"type": "OnDelete"}),
            "updateStrategy OnDelete",
        ),
        (
            workload(
                "StatefulSet", "api", MAIN, replicas=1,
                updateStrategy={"rollingUpdate": {"partition": 1}},
            ),
            "a partition leaves some pods",
        ),
        (config_map("c") * 2, "configmap/c: is there twice"),
        (
            workload("Deployment", "api", MAIN, replicas=2)
            + document("autoscaling/v2", "HorizontalPodAutoscaler", "api", spec=SCALED),
            "spec.replicas would undo what horizontalpodautoscaler/api does",
        ),
        (
            document("batch/v1", "Job", "seed", spec={"ttlSecondsAfterFinished": 0}),
            "job/seed: removes itself",
        ),
        ("", "it has no objects"),
    ],
)  # fmt: skip
def test_what_may_not_be_deployed_is_named(text: str, problem: str) -> None:
    """The object, what is wrong with it, and what to do."""
    error = refused(text)
    assert problem in error.message
    assert error.hint


def test_all_problems_are_told_at_once() -> None:
    """Nobody has to commit once for each."""
    text = document("v1", "Namespace", "shop") + config_map("c") * 2
    message = refused(text).message
    assert "namespace/shop" in message
    assert "configmap/c" in message


@pytest.mark.parametrize(
    "text",
    [
        document("v1", "Secret", "empty"),
        workload("Deployment", "api", MAIN, replicas=1),
        config_map("c").replace('"name"', '"namespace": "shop", "name"'),
        workload("Deployment", "api", MAIN, replicas=None)
        + document("autoscaling/v2", "HorizontalPodAutoscaler", "api", spec=SCALED),
    ],
)
def test_everything_else_may_be_deployed(text: str) -> None:
    """A Secret that others fill, the environment's own namespace, a count left to its scaler."""
    refusals.require_deployable(manifest.read(text, "shop.yaml"), deployment())
