"""Whose objects and fields are, from the API server's own records."""

from __future__ import annotations

import json
from typing import Any

import pytest

from buildonce.engines.kubernetes import ownership
from buildonce.engines.kubernetes.kubectl import MANAGER
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.state import LABEL

WANTED = Manifest(
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api"},
        "spec": {
            "replicas": 2,
            "template": {"spec": {"containers": [{"name": "api", "image": "r/api"}]}},
        },
    }
)
CONTAINER: dict[str, Any] = {'k:{"name":"api"}': {".": {}, "f:name": {}, "f:image": {}}}
OURS: dict[str, Any] = {
    "f:spec": {
        "f:replicas": {},
        "f:template": {"f:spec": {"f:containers": CONTAINER}},
    }
}


def entry(manager: str, fields: dict[str, Any], operation: str = "Update") -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "fieldsV1": fields}


def live(*entries: dict[str, Any], ours: Any = OURS, **metadata: Any) -> dict[str, Any]:
    """WANTED as the API server has it, after we applied it and others did something."""
    return {
        "apiVersion": "apps/v1",
        "metadata": {
            "labels": {LABEL: "shop"},
            "annotations": {ownership.APPLIED: WANTED.hash},
            "managedFields": [entry(MANAGER, ours, "Apply"), *entries],
            "resourceVersion": "7",
            **metadata,
        },
    }


def test_what_was_applied_and_left_alone_is_no_drift() -> None:
    """Status and defaults are the controllers'."""
    status = entry("kube-controller-manager", {"f:status": {"f:replicas": {}}})
    assert ownership.drift(WANTED, live(status)) == ""


def test_a_field_that_somebody_set_is_named_with_who_did() -> None:
    """As a path that people can read."""
    edited = entry("kubectl-edit", {"f:spec": {"f:paused": {}}})
    assert ownership.drift(WANTED, live(edited)) == "spec.paused set by kubectl-edit"


def test_a_field_of_a_list_is_named_by_its_key() -> None:
    """Containers have names, not numbers."""
    fields = {"f:spec": {"f:template": {"f:spec": {"f:containers": CONTAINER}}}}
    left: dict[str, Any] = {
        "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {}}}}
    }
    found = ownership.drift(WANTED, live(entry("kubectl-set", fields), ours=left))
    assert "spec.template.spec.containers[api].image" in found


def test_a_field_that_was_taken_away_is_named() -> None:
    """It leaves our fields, though nobody else has it."""
    without = {"f:spec": {"f:template": OURS["f:spec"]["f:template"]}}
    assert ownership.drift(WANTED, live(ours=without)) == "spec.replicas changed or removed"


def test_an_object_of_another_release_is_a_drift() -> None:
    """The annotation says what was applied last."""
    other = live(annotations={ownership.APPLIED: "0123"})
    assert ownership.drift(WANTED, other) == "not applied from this release"


def test_a_restart_changes_nothing() -> None:
    """`kubectl rollout restart` makes new pods of the same template."""
    annotation: dict[str, Any] = {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}
    restarted = {"f:spec": {"f:template": {"f:metadata": annotation}}}
    assert ownership.drift(WANTED, live(entry("kubectl-rollout", restarted))) == ""


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        ({}, ""),
        ({"labels": {LABEL: "other"}}, "the buildonce project other"),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm"),
        ({"annotations": {"meta.helm.sh/release-name": "x"}}, "Helm"),
        ({"labels": {"argocd.argoproj.io/instance": "x"}}, "Argo CD"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "x"}}, "Flux"),
        (
            {"ownerReferences": [{"kind": "Deployment", "name": "api", "controller": True}]},
            "Deployment api",
        ),
        ({"ownerReferences": [{"kind": "Deployment", "name": "api"}]}, ""),
    ],
)
def test_another_owner_is_named(metadata: dict[str, Any], owner: str) -> None:
    """Helm, Argo CD, Flux, a controller, another project of ours; none is overruled."""
    assert ownership.owner(live(**metadata), "shop") == owner


def test_only_what_has_our_label_is_ours() -> None:
    """An object without a label belongs to nobody, and is never removed."""
    assert ownership.is_ours(live(), "shop")
    assert not ownership.is_ours(live(labels={}), "shop")
    assert not ownership.is_ours(live(), "other")


def test_taking_over_makes_others_fields_ours() -> None:
    """The patch merges them into our entry, and is refused where the object has changed since."""
    edited = entry("kubectl-edit", {"f:spec": {"f:paused": {}}})
    status = entry("kube-controller-manager", {"f:status": {}})
    test, replace = json.loads(ownership.taken_over(live(edited, status)))
    assert test == {"op": "test", "path": "/metadata/resourceVersion", "value": "7"}
    assert [one["manager"] for one in replace["value"]] == [MANAGER, "kube-controller-manager"]
    assert replace["value"][0]["fieldsV1"]["f:spec"].keys() == {
        "f:replicas", "f:template", "f:paused",
    }  # fmt: skip


def test_what_is_applied_has_our_marks_on_its_pods_too() -> None:
    """The label says whose it is, the annotation what it was; the manifest stays as it was."""
    body = ownership.marked(WANTED, "shop")
    assert body["metadata"]["labels"] == {LABEL: "shop"}
    assert body["metadata"]["annotations"] == {ownership.APPLIED: WANTED.hash}
    assert body["spec"]["template"]["metadata"]["labels"] == {LABEL: "shop"}
    assert "labels" not in WANTED.metadata
