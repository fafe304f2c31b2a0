"""The engine on a real cluster: what it deploys, what it waits for, and what it says."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator

import pytest

import lab
from buildonce.engines.kubernetes import watching
from buildonce.engines.kubernetes.engine import Kubernetes
from buildonce.errors import (
    DeployError,
    PreconditionError,
    UsageError,
)
from buildonce.refs import parse_digest
from tests.kit.kubernetes import (
    Namespace,
    config_map,
    deployment,
    document,
    needs_kubernetes,
    service,
    stateful_set,
)
from tests.kit.repository import ROOT

pytestmark = [needs_kubernetes, pytest.mark.nightly]

API, WORKER = "${BUILDONCE_IMAGE_API}", "${BUILDONCE_IMAGE_WORKER}"


@pytest.fixture
def place(kubernetes: lab.Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Namespace]:
    """A namespace of the test's own; new pods are watched for one second, not five."""
    monkeypatch.setenv("KUBECONFIG", str(kubernetes.kubeconfig))
    monkeypatch.setattr(watching, "MONITOR", 1.0)
    made = Namespace(kubernetes, f"t{secrets.token_hex(4)}")
    made.kubectl("create", "namespace", made.name)
    yield made
    made.kubectl("delete", "namespace", made.name, "--wait=false")


def both() -> str:
    """Manifests of two services, one named by a variable, one as people write it."""
    return deployment("api", API, replicas=2) + deployment("worker", WORKER)


def problems(engine: Kubernetes) -> dict[str, str]:
    """What `verify` names, by service."""
    rows = engine.running()
    return {f"{row.service} {row.container}".strip(): row.problem for row in rows if row.problem}


def test_a_first_deploy_runs_the_release_by_digest(place: Namespace) -> None:
    """Every pod runs the image that the release has, and every row of the evidence holds."""
    images = place.release("1")
    engine = place.deploy(both() + service("api"), images)
    assert sorted(place.pods().values()) == sorted(
        [str(images["api"])] * 2 + [str(images["worker"])]
    )
    rows = engine.running()
    assert [row for row in rows if row.problem] == []
    found = sorted(str(row.digest) for row in rows if row.source == "kubelet")
    assert found == sorted([images["api"].reference] * 2 + [images["worker"].reference])


def test_an_index_of_platforms_runs_as_the_release(place: Namespace) -> None:
    """Pods of an index are the release's, whichever of its digests the kubelet reports.

    No other test has this image: once a node has both, it may report either for both.
    """
    index, plain = place.index("api", "indexed")
    indexes = {plain.reference: index.reference}
    rows = place.deploy(deployment("api", API), {"api": index}, indexes=indexes).running()
    assert [row for row in rows if row.problem] == []
    assert [row.digest for row in rows if row.source == "kubelet"] == [index.reference]


def test_plain_manifests_are_deployed_by_digest(place: Namespace) -> None:
    """An image whose name is a service's, or stands for it, is replaced whatever its tag is."""
    images = place.release("1")
    own = f"{images['api'].repository}:latest"
    engine = place.bind(
        deployment("api", own) + deployment("worker", "example/worker"),
        images,
        names={"worker": "example/worker"},
    )
    assert own not in engine.render()
    assert str(images["api"]) in engine.render()
    assert str(images["worker"]) in engine.render()


def test_a_kustomization_is_rendered_from_the_commit(place: Namespace) -> None:
    """An overlay and its base are rendered by kubectl; a base elsewhere is refused."""
    images = {"api": place.image("api", "1")}
    files = {
        "base/kustomization.yaml": "resources: [api.yaml]\n",
        "base/api.yaml": deployment("api", str(images["api"].repository)),
        "overlay/kustomization.yaml": "resources: [../base]\nnamePrefix: blue-\n",
        "remote/kustomization.yaml": "resources: ['github.com/example/base?ref=main']\n",
    }
    engine = place.bind(files, images, path="overlay")
    assert [one.name for one in engine.manifests] == ["blue-api"]
    with pytest.raises(UsageError, match="not in commit"):
        place.bind(files, images, path="remote").render()


def test_what_did_not_change_keeps_its_pods(place: Namespace) -> None:
    """A release that changes one service leaves the pods of the other running."""
    images = place.release("1")
    place.deploy(both(), images)
    before = place.pods("worker")
    place.deploy(both(), {**images, "api": place.image("api", "2")})
    assert place.pods("worker") == before


def test_a_bad_image_fails_early(place: Namespace) -> None:
    """An image that is not in the registry fails long before the timeout, and is named."""
    images = place.release("1")
    gone = images["api"].repository.at(parse_digest("sha256:" + "0" * 64))
    began = time.monotonic()
    with pytest.raises(
        DeployError, match=r"deployment/api .* cannot start: .*(ErrImagePull|ImagePullBackOff)"
    ):
        place.deploy(both(), {**images, "api": gone})
    assert time.monotonic() - began < 30


def test_a_crash_loop_fails_after_the_third_crash(place: Namespace) -> None:
    """A container that ends again and again fails the deploy, with the last lines of its log."""
    images = place.release("1", api="echo out of luck; exit 3")
    with pytest.raises(DeployError, match=r"has crashed 3 times \(exit code 3\)") as failure:
        place.deploy(both(), images, timeout=120)
    assert failure.value.log[-1] == "out of luck"


def test_secrets_do_not_get_into_what_is_shown(place: Namespace) -> None:
    """What a container writes of its Secret is taken out of its log."""
    place.kubectl("create", "secret", "generic", "token", "--from-literal=value=hunter22")
    images = {"api": place.image("api", "1", "echo the token is $TOKEN; exit 3")}
    token = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "value"}}}
    with pytest.raises(DeployError) as failure:
        place.deploy(deployment("api", API, env=[token]), images, timeout=120)
    assert failure.value.log[-1] == "the token is ***"


def test_missing_configuration_fails_early(place: Namespace) -> None:
    """A container that refers to a ConfigMap that does not exist is not waited for."""
    images = {"api": place.image("api", "1")}
    text = deployment("api", API, envFrom=[{"configMapRef": {"name": "nowhere"}}])
    with pytest.raises(
        DeployError, match='CreateContainerConfigError: configmap "nowhere" not found'
    ):
        place.deploy(text, images)


def test_failing_readiness_times_out(place: Namespace) -> None:
    """Pods that never become ready fail the deploy at its timeout, with how many are up."""
    images = {"api": place.image("api", "1", "sleep 600")}
    with pytest.raises(DeployError, match=r"0 of 1 pods up.* after 8 s"):
        place.deploy(deployment("api", API), images, timeout=8)


def test_a_pod_that_fits_nowhere_is_named(place: Namespace) -> None:
    """An unschedulable pod is waited for, an autoscaler may come; then it is named."""
    images = {"api": place.image("api", "1")}
    text = deployment("api", API, resources={"requests": {"memory": "1000Gi"}})
    with pytest.raises(DeployError, match=r"Insufficient memory.*after 4 s"):
        place.deploy(text, images, timeout=4)


def test_a_quota_gets_patience_and_no_more(
    place: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a quota admits no pods the deploy fails, and says so."""
    monkeypatch.setattr(watching, "PATIENCE", 3.0)
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    place.kubectl.apply({**quota, "spec": {"hard": {"pods": "0"}}})
    images = {"api": place.image("api", "1")}
    with pytest.raises(DeployError, match=r"gets no pods: FailedCreate: .*exceeded quota"):
        place.deploy(deployment("api", API), images)


def test_a_wrong_field_is_found_before_anything_is_touched(place: Namespace) -> None:
    """The API server checks everything first: nothing of the release is there after a refusal."""
    images = place.release("1")
    wrong = deployment("worker", WORKER).replace('"image"', '"imagge"')
    with pytest.raises((PreconditionError, UsageError)):
        place.deploy(config_map("settings", a="1") + deployment("api", API) + wrong, images)
    invalid = deployment("worker", WORKER).replace('"replicas": 1', '"replicas": -1')
    with pytest.raises(PreconditionError, match=r"worker.*must be greater than or equal to 0"):
        place.deploy(config_map("settings", a="1") + deployment("api", API) + invalid, images)
    assert (
        place.kubectl.json("get", "deployments,configmaps", "--selector=buildonce/project")["items"]
        == []
    )


def test_a_stuck_stateful_set_is_freed(place: Namespace) -> None:
    """The bad pod of a StatefulSet, which would keep it from going back for ever, is removed."""
    good = {"api": place.image("api", "1")}
    place.deploy(stateful_set("api", API), good)
    claims = place.kubectl("get", "persistentvolumeclaims", "--output=name")
    with pytest.raises(DeployError):
        place.deploy(
            stateful_set("api", API), {"api": place.image("api", "2", "sleep 600")}, timeout=6
        )
    engine = place.deploy(stateful_set("api", API), good)
    assert problems(engine) == {}
    assert place.kubectl("get", "persistentvolumeclaims", "--output=name") == claims


def test_what_a_release_dropped_is_removed_and_nothing_else(place: Namespace) -> None:
    """Objects of the release before go; what others made stays, and so do volumes."""
    images = place.release("1")
    claim = document(
        "v1", "PersistentVolumeClaim", "kept",
        spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    )  # fmt: skip
    place.deploy(both() + service("worker") + claim, images)
    place.kubectl("create", "configmap", "somebodys")
    place.kubectl("create", "deployment", "somebodys", f"--image={images['api']}")
    place.deploy(deployment("api", API, replicas=2), {"api": images["api"]})
    left = place.kubectl("get", "deployments,services,configmaps,pvc", "--output=name").split()
    assert {"deployment.apps/worker", "service/worker"} & set(left) == set()
    assert {
        "deployment.apps/api", "deployment.apps/somebodys", "configmap/somebodys",
        "persistentvolumeclaim/kept",
    } <= set(left)  # fmt: skip


def test_an_object_made_anew_by_somebody_is_not_removed(place: Namespace) -> None:
    """Where the UID is another than the one that was noted, the object is not ours."""
    images = {"api": place.image("api", "1")}
    place.deploy(deployment("api", API) + config_map("extra", a="1"), images)
    place.kubectl("delete", "configmap", "extra")
    place.kubectl("create", "configmap", "extra")
    place.kubectl("label", "configmap", "extra", "buildonce/project=shop")
    place.deploy(deployment("api", API), images)
    assert "configmap/extra" in place.kubectl("get", "configmaps", "--output=name")


@pytest.mark.parametrize(
    ("mark", "owner"),
    [
        ("annotate meta.helm.sh/release-name=shop", "Helm"),
        ("annotate argocd.argoproj.io/tracking-id=shop:x", "Argo CD"),
        ("label kustomize.toolkit.fluxcd.io/name=shop", "Flux"),
        ("label buildonce/project=other", "the buildonce project other"),
    ],
)
def test_what_belongs_to_another_tool_is_refused(place: Namespace, mark: str, owner: str) -> None:
    """An object that another tool looks after is left alone, and both are named."""
    verb, pair = mark.split()
    place.kubectl("create", "configmap", "settings")
    place.kubectl(verb, "configmap", "settings", pair)
    images = {"api": place.image("api", "1")}
    engine = place.bind(deployment("api", API) + config_map("settings", a="1"), images)
    with pytest.raises(PreconditionError, match=f"configmap/settings .* belongs to {owner}"):
        engine.check()


def test_missing_rights_are_named(place: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may not deploy is told which rights are missing, before anything is touched."""
    images = {"api": place.image("api", "1")}
    monkeypatch.setenv("KUBECONFIG", account(place, "nobody"))
    with pytest.raises(PreconditionError, match=r"create deployments\.apps.*patch deployments"):
        place.bind(deployment("api", API), images).check()


def test_the_documented_roles_are_enough(place: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the Role for deploying a release is deployed, with the one for verifying verified."""
    images = place.release("1")
    for name in ("deployer", "verifier"):
        roles = (ROOT / "deploy/kubernetes/rights" / f"{name}.yaml").read_text()
        place.kubectl("apply", "--filename=-", stdin=roles)
        place.kubectl(
            "create", "rolebinding", name, f"--role=buildonce-{name}",
            f"--serviceaccount={place.name}:{name}",
        )  # fmt: skip
    kubeconfigs = {name: account(place, name) for name in ("deployer", "verifier")}
    monkeypatch.setenv("KUBECONFIG", kubeconfigs["deployer"])
    files = both() + service("api") + config_map("settings", a="1")
    place.deploy(
        files + stateful_set("store", place.cluster.pause_image, readinessProbe=None), images
    )
    engine = place.bind(files, images)
    engine.run_once("api", ["true"])
    engine.deploy(place.told.append)
    monkeypatch.setenv("KUBECONFIG", kubeconfigs["verifier"])
    assert problems(place.bind(files, images)) == {}
    with pytest.raises(PreconditionError, match="missing permissions"):
        place.bind(files, images).check()


def account(place: Namespace, name: str) -> str:
    """A service account of the namespace, and its kubeconfig with the context `lab`."""
    place.kubectl("create", "serviceaccount", name)
    token = place.kubectl("create", "token", name).strip()
    config = json.loads(place.kubectl("config", "view", "--raw", "--output=json"))
    config["users"] = [{"name": name, "user": {"token": token}}]
    config["contexts"][0]["context"]["user"] = name
    path = place.cluster.state / f"{place.name}-{name}.json"
    path.write_text(json.dumps(config))
    return str(path)


def test_a_pre_deploy_command_runs_with_the_new_release(place: Namespace) -> None:
    """The command runs in the service's own container, with the release's own ConfigMap."""
    old, new = place.release("1"), place.release("2")
    files = {
        colour: config_map("settings", SHADE=colour)
        + deployment("api", API, envFrom=[{"configMapRef": {"name": "settings"}}])
        + deployment("worker", WORKER)
        for colour in ("red", "blue")
    }
    place.deploy(files["red"], old)
    before = place.pods()
    check = '[ "$VERSION $SHADE" = "2 blue" ]'
    place.bind(files["blue"], new).run_once("api", ["sh", "-c", check])
    assert place.pods() == before
    assert place.kubectl.json("get", "configmap", "settings")["data"] == {"SHADE": "red"}
    assert place.kubectl.json("get", "jobs")["items"] == []


def test_a_failing_pre_deploy_command_stops_the_deploy(place: Namespace) -> None:
    """It is run once, its log is shown, and what ran before still runs."""
    images = place.release("1")
    engine = place.bind(both(), images)
    with pytest.raises(DeployError, match="pre-deploy command") as failure:
        engine.run_once("api", ["sh", "-c", "echo no such table; exit 4"])
    assert failure.value.log[-1] == "no such table"
    assert place.kubectl.json("get", "jobs,deployments")["items"] == []


def test_an_api_that_does_not_answer_is_no_success(place: Namespace) -> None:
    """Without an answer nothing is claimed: the error names the context."""
    with pytest.raises(PreconditionError, match="no context 'nowhere'"):
        place.bind(both(), place.release("1"), context="nowhere").check()
