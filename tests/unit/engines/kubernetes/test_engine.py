"""The engine: what a check asks, what a deploy applies, and what a pre-deploy command leaves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from buildonce.engines.base import UNTOUCHED
from buildonce.engines.kubernetes import engine
from buildonce.engines.kubernetes.engine import Kubernetes
from buildonce.engines.kubernetes.kubectl import Refused
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.errors import DeployError, PreconditionError
from tests.kit.kubernetes import config_map, document
from tests.kit.recorded_kubectl import (
    IMAGE,
    LIVE,
    READ,
    TARGET,
    Answer,
    Answers,
    Object,
    Recorded,
    Turns,
    applied,
    bound,
    thing,
    workload,
)

APPLY = "apply --server-side --field-manager=buildonce --force-conflicts --filename=- --output=json"
POD = {"containers": [{"name": "api", "image": "${BUILDONCE_IMAGE_API}"}]}
SPEC = {"replicas": 0, "template": {"spec": POD}}
BUNDLE = document("apps/v1", "Deployment", "api", spec=SPEC) + config_map("settings", a="1")
RESOURCES = "configmaps cm v1 true ConfigMap\ndeployments deploy apps/v1 true Deployment\n"
DONE = {"conditions": [{"type": "Complete", "status": "True"}]}
FAILED = {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}
NOTHING: Answers = {}
JOB = "shop-pre-deploy-000000000000"


def scaled_to_zero() -> Object:
    """The Deployment as its controller has it: up, without a pod."""
    status = {"replicas": 0, "updatedReplicas": 0, "availableReplicas": 0}
    return workload("Deployment", spec={"replicas": 0}, status=status)


def made(
    answers: Answers = NOTHING, *, bundle: str = BUNDLE, limit: float | None = 2.0
) -> tuple[Kubernetes, Recorded]:
    """The engine in a namespace that takes everything, but for these answers."""

    def allowed(text: str) -> Sequence[Object]:
        return [{"status": {"allowed": True}} for _ in json.loads(text)["items"]]

    known: dict[str, Answer | Turns] = {
        "get namespace": thing("Namespace", "shop"),
        "api-resources": RESOURCES,
        "create": allowed,
        "apply": "",
        APPLY: [],
        "get": [],
        "get configmap buildonce-shop": "",
        READ: [scaled_to_zero()],
        "delete": "",
        **answers,
    }
    kubectl = Recorded(answers=known)
    target = replace(TARGET, timeout=2.0, pre_deploy_timeout=limit)
    return Kubernetes(bound(target=target, bundle=bundle), lambda _: kubectl), kubectl


def sent(kubectl: Recorded, start: str) -> list[list[str]]:
    """The objects that each such call was given."""
    return [[Manifest(one).title for one in text["items"]] for text in kubectl.inputs(start)]


def test_a_release_is_rendered_with_its_digests_and_nothing_else() -> None:
    """The bundle keeps its variables; of the environment only the names of variables decide."""
    bundle, _ = made()
    assert bundle.bundle == BUNDLE
    assert f"image: {IMAGE}" in bundle.render()
    assert "buildonce" not in bundle.render()
    given = replace(bundle.deployment, variables={"B": "1", "A": "2"})
    assert Kubernetes(given).resolved().variables == ("A", "B")
    assert [line.split(" --force-conflicts ")[1] for line in bundle.commands()] == [
        "--dry-run=server --filename=FILE", "--filename=FILE",
    ]  # fmt: skip


def test_a_check_asks_everything_and_changes_nothing() -> None:
    """Namespace, kinds, rights, owners, and a dry run of it all."""
    kubernetes, kubectl = made()
    kubernetes.check()
    kubernetes.pull()
    assert not kubernetes.pulls
    assert [line.split()[0] for line in kubectl.lines()] == [
        "get", "api-resources", "create", "get", "apply",
    ]  # fmt: skip
    assert all("--dry-run=server" in line for line in kubectl.lines("apply"))
    assert sent(kubectl, "apply") == [["configmap/settings", "deployment/api"]]


def test_a_check_names_who_else_has_an_object() -> None:
    """Before anything is applied."""
    helm = {"labels": {"app.kubernetes.io/managed-by": "Helm"}}
    kubernetes, kubectl = made({LIVE: [thing("ConfigMap", "settings", metadata=helm)]})
    with pytest.raises(PreconditionError, match="belongs to Helm"):
        kubernetes.check()
    assert kubectl.lines("apply") == []


def owned(one: Manifest, **changed: Any) -> Object:
    """An object as it is once applied, all of whose fields are ours."""
    fields: dict[str, Any] = {"f:data": {"f:a": {}}, "f:spec": {}}
    ours = {"manager": "buildonce", "operation": "Apply", "fieldsV1": fields}
    return applied(one, managedFields=[ours], **changed)


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        ({}, ["deployment/api"]),
        ({"annotations": {}}, ["configmap/settings", "deployment/api"]),
        ({"labels": {}}, ["configmap/settings", "deployment/api"]),
        (None, ["configmap/settings", "deployment/api"]),
    ],
)
def test_a_deploy_applies_what_differs(settings: dict[str, Any] | None, changed: list[str]) -> None:
    """What is missing, is not ours, or is not as this release has it."""
    kubernetes, _ = made()
    config = kubernetes.manifests[0]
    found = [] if settings is None else [owned(config, **settings)]
    kubernetes, kubectl = made({LIVE: found})
    kubernetes.deploy(lambda _: None)
    assert sent(kubectl, APPLY) == [changed]


def test_a_deploy_removes_what_the_release_has_not() -> None:
    """Once all of it is up."""
    old = Manifest(thing("ConfigMap", "old"))
    entry = {"api_version": "v1", "kind": "ConfigMap", "name": "old"}
    noted = thing("ConfigMap", "buildonce-shop", data={"objects": json.dumps([entry])})
    answers: Answers = {LIVE: Turns([], [applied(old)]), "get configmap buildonce-shop": noted}
    kubernetes, kubectl = made(answers)
    told: list[str] = []
    kubernetes.deploy(told.append)
    assert told == ["removing configmap/old, which the release has not"]
    assert kubectl.inputs("delete") == [dict(old.reference)]


def job(status: dict[str, Any]) -> Object:
    return workload("Job", JOB, status=status)


def test_a_pre_deploy_command_runs_as_a_job_that_leaves_nothing() -> None:
    """Third-party images that are missing come up first; an earlier Job of the name is removed."""
    bundle = BUNDLE + document("v1", "Service", "db") + document("v1", "Secret", "key")
    own = applied(Manifest(thing("Job", JOB, version="batch/v1")))
    found = Turns([thing("Secret", "key")], [], [own])
    kubernetes, kubectl = made({LIVE: found, READ: [job(DONE)]}, bundle=bundle)
    kubernetes.run_once("api", ["migrate", "--all"])
    assert sent(kubectl, APPLY) == [["service/db"], [f"job/{JOB}"]]
    assert [one["metadata"]["name"] for one in kubectl.inputs("delete")] == [JOB]
    ahead, before, after = sent(kubectl, LIVE)
    assert ahead == ["secret/key", "service/db"]
    assert before == after == [f"job/{JOB}"]


@pytest.mark.parametrize("limit", [None, 1800.0])
def test_a_pre_deploy_command_that_fails_has_touched_nothing(limit: float | None) -> None:
    """The command is named, its Job removed."""
    kubernetes, kubectl = made({READ: Turns([], [], [], [job(FAILED)])}, limit=limit)
    with pytest.raises(DeployError) as failed:
        kubernetes.run_once("api", ["migrate", "a b"])
    assert failed.value.message.startswith(
        "api on production (lab/shop) failed in the pre-deploy command (migrate 'a b'): "
    )
    assert failed.value.hint == UNTOUCHED
    assert sent(kubectl, LIVE) == [[f"job/{JOB}"]] * 2


def test_a_pre_deploy_command_has_a_limit_of_its_own() -> None:
    """Where there is one; the deploy's is not its own."""
    kubernetes, _ = made({READ: [job({})]}, limit=0)
    with pytest.raises(DeployError, match=r"it still runs.* after 0 s"):
        kubernetes.run_once("api", ["migrate"])


def test_what_runs_is_every_object_and_every_pod() -> None:
    """Read at once: objects, pods, what earlier releases left, and nodes."""
    kubernetes, kubectl = made()
    rows = {(row.service, row.problem) for row in kubernetes.running()}
    assert rows == {
        ("configmap/settings", "is missing"), ("deployment/api", "is missing"),
    }  # fmt: skip
    assert len(kubectl.calls) == 4


def test_what_remains_of_a_project_is_named_with_its_removal() -> None:
    """All that is provably its own, whatever release it was of."""
    old = Manifest(workload("Deployment", "old"))
    entry = {"api_version": "apps/v1", "kind": "Deployment", "name": "old", "uid": ""}
    noted = thing("ConfigMap", "buildonce-shop", data={"objects": json.dumps([entry])})
    kubectl = Recorded(answers={"get configmap": noted, LIVE: [applied(old)]})
    left = engine.remains(TARGET, lambda _: kubectl)
    assert left.names == ("deployment/old",)
    assert left.removal == "kubectl --context=lab --namespace=shop delete deployment/old"


def test_an_api_is_asked_for_the_namespace_and_the_rights_that_every_release_needs() -> None:
    """Nothing is rendered for that."""
    _, kubectl = made()
    engine.require_answer(TARGET, lambda _: kubectl)
    assert [line.split()[0] for line in kubectl.lines()] == ["get", "create"]
    denied = Recorded(answers={**kubectl.answers, "get namespace": Refused("(Forbidden)")})
    engine.require_answer(TARGET, lambda _: denied)
