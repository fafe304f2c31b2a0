"""Whether a namespace may be deployed to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from buildonce.engines.kubernetes import access
from buildonce.engines.kubernetes.access import Right
from buildonce.engines.kubernetes.kubectl import Refused
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.state import LABEL
from buildonce.errors import PreconditionError, UsageError
from tests.kit.recorded_kubectl import Answer, Recorded, bound, thing, workload

RESOURCES = """\
configmaps                 cm       v1                             true         ConfigMap
namespaces                 ns       v1                             false        Namespace
deployments                deploy   apps/v1                        true         Deployment
statefulsets               sts      apps/v1                        true         StatefulSet
rollouts                            argoproj.io/v1alpha1           true         Rollout
"""
FORBIDDEN = 'Error from server (Forbidden): namespaces "shop" is forbidden: User "ci" cannot get'


def namespace(answer: Answer) -> Recorded:
    return Recorded(answers={"get namespace shop --ignore-not-found": answer})


def known() -> dict[tuple[str, str], tuple[str, bool]]:
    return access.resources(Recorded(answers={"api-resources --no-headers": RESOURCES}))


@pytest.mark.parametrize("answer", [thing("Namespace", "shop"), Refused(FORBIDDEN)])
def test_a_namespace_is_there_or_may_not_be_asked_for(answer: Answer) -> None:
    """Who may not look at namespaces may still deploy to one."""
    access.require_namespace(namespace(answer))


def test_a_namespace_that_is_missing_is_named_with_its_remedy() -> None:
    """It is never created on the way."""
    with pytest.raises(PreconditionError, match="there is no namespace shop") as missing:
        access.require_namespace(namespace(""))
    assert missing.value.hint == "kubectl --context=lab create namespace shop"


def test_any_other_refusal_to_show_the_namespace_is_passed_on() -> None:
    """Only a missing right says nothing of the namespace."""
    with pytest.raises(Refused, match="InternalError"):
        access.require_namespace(namespace(Refused("Error from server (InternalError): oh")))


def test_resources_are_read_with_and_without_short_names() -> None:
    """By version and kind: the name that roles use, and whether namespaces have them."""
    found = known()
    assert found["argoproj.io/v1alpha1", "Rollout"] == ("rollouts", True)
    assert found["apps/v1", "Deployment"] == ("deployments", True)
    assert found["v1", "Namespace"] == ("namespaces", False)
    assert len(found) == 5


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (thing("Deployment", "api"), "has no kind Deployment in v1"),
        (thing("Namespace", "shop"), "namespace/shop belongs to the whole cluster"),
    ],
)
def test_what_no_namespace_can_have_is_refused(item: dict[str, Any], problem: str) -> None:
    """A kind that the cluster does not know in this version, or has outside namespaces."""
    with pytest.raises(UsageError, match=problem):
        access.require_namespaced([Manifest(item)], bound(), known())
    access.require_namespaced([Manifest(workload("Deployment"))], bound(), known())


def test_a_release_needs_the_rights_of_its_kinds_and_no_more() -> None:
    """ConfigMaps need no log, and only a StatefulSet's pods are ever deleted."""

    def added(*items: dict[str, Any]) -> set[str]:
        return {str(one) for one in access.rights(map(Manifest, items), known())} - always

    always: set[str] = set()
    always = added()
    assert {"list pods", "list events", "list jobs.batch", "patch configmaps"} <= always
    assert added(thing("ConfigMap", "a")) == set()
    deployment = {f"{verb} deployments.apps" for verb in ("get", "create", "patch")}
    assert added(workload("Deployment")) == {*deployment, "get pods/log"}
    assert "delete pods" in added(workload("StatefulSet"))


def test_every_missing_right_is_named() -> None:
    """One call asks for all of them; those that there are, are not told."""

    def reviewed(text: str) -> list[dict[str, Any]]:
        asked = [one["spec"]["resourceAttributes"] for one in json.loads(text)["items"]]
        return [{"status": {"allowed": True} if one["verb"] == "get" else {}} for one in asked]

    kubectl = Recorded(answers={"create --filename=- --output=json": reviewed})
    wanted = [Right("get", "pods/log"), Right("list", "pods"), Right("patch", "jobs", "batch")]
    with pytest.raises(PreconditionError) as missing:
        access.require_rights(kubectl, wanted)
    assert missing.value.message.endswith("in namespace shop: list pods, patch jobs.batch")
    (asked,) = kubectl.inputs("create")
    assert asked["items"][0]["spec"]["resourceAttributes"] == {
        "namespace": "shop", "verb": "get", "group": "", "resource": "pods", "subresource": "log",
    }  # fmt: skip
    access.require_rights(kubectl, wanted[:1])


def test_an_object_of_somebody_else_is_not_applied() -> None:
    """Its owner is named; objects that are ours or nobody's are free."""
    free = (
        thing("ConfigMap", "free"),
        thing("ConfigMap", "own", metadata={"labels": {LABEL: "shop"}}),
    )
    access.require_free({one["metadata"]["name"]: one for one in free}, bound())
    helm = thing("Service", "api", metadata={"labels": {"app.kubernetes.io/managed-by": "Helm"}})
    with pytest.raises(PreconditionError, match=r"service/api in .* belongs to Helm"):
        access.require_free({"Service/api": helm}, bound())
