"""What is said of a namespace that another tool deploys to."""

from __future__ import annotations

from typing import Any

import pytest

from buildonce.engines.base import Deployment, Files, Running, Target
from buildonce.engines.kubernetes.kubectl import Refused
from buildonce.engines.kubernetes.observer import Observer, Sight
from buildonce.engines.kubernetes.state import State
from buildonce.errors import PreconditionError
from buildonce.refs import ImageRef
from tests.kit.recorded_kubectl import Answer, Recorded

NEW, OLD = "sha256:" + "a" * 64, "sha256:" + "b" * 64
API, WORKER = "r.example.org/api", "r.example.org/worker"


def deployment(**names: str) -> Deployment:
    """A release of two services."""
    target = Target("production", "kubernetes", host="lab", namespace="shop")
    images = {
        one.rpartition("/")[2]: ImageRef.parse(f"{one}@{NEW}") for one in (API, WORKER)
    }  # fmt: skip
    return Deployment(target, "0" * 12, Files((), lambda at: at, lambda _: ""), images, names=names)


def container(image: str, name: str = "main") -> dict[str, Any]:
    return {"name": name, "image": image}


def workload(
    kind: str, name: str, image: str, owner: str = "", created: str = "", **spec: Any
) -> dict[str, Any]:
    template = {"spec": {"containers": [container(image)]}}
    inside = {"jobTemplate": {"spec": {"template": template}}} if kind == "CronJob" else {}
    owners = [{"uid": owner, "controller": True}] if owner else []
    metadata = {"name": name, "uid": name, "creationTimestamp": created, "ownerReferences": owners}
    return {"kind": kind, "metadata": metadata, "spec": {"template": template, **inside, **spec}}


def pod(
    name: str, image: str, reports: str = NEW, phase: str = "Running", owner: str = "",
    init: str = "", **metadata: Any,
) -> dict[str, Any]:  # fmt: skip
    def status(of: str, state: dict[str, Any], digest: str) -> dict[str, Any]:
        return {"name": "main", "imageID": f"{of}@{digest}", "state": state, "ready": True}

    owners = [{"uid": owner, "controller": True}] if owner else []
    started = [status(init, {"terminated": {"exitCode": 0}}, OLD)] if init else []
    return {
        "kind": "Pod",
        "metadata": {"name": name, "uid": name, "ownerReferences": owners, **metadata},
        "spec": {
            "nodeName": "node-1",
            "initContainers": [container(init)] if init else [],
            "containers": [container(image)],
        },
        "status": {
            "phase": phase,
            "initContainerStatuses": started,
            "containerStatuses": [status(image, {"running": {}}, reports)],
        },
    }


def rows(*items: dict[str, Any], blind: str = "", **names: str) -> list[Running]:
    """What is said of services, without the word on kubelets that is always there."""
    *found, word = Sight(
        deployment(**names), State(items), frozenset({"node-2"}), blind
    ).rows()  # fmt: skip
    assert "kubelet" in word.unknown
    return found


def said(*items: dict[str, Any], **settings: Any) -> list[str]:
    """Each row in words."""
    return [
        f"{row.service} {row.container}: {row.unknown or row.problem or 'holds'}"
        for row in rows(*items, **settings)
    ]


BOTH = (pod("api-1", f"{API}:latest"), pod("worker-1", f"{WORKER}@{NEW}"))


def test_pods_that_run_the_release_hold() -> None:
    """By the digest that kubelets report, whatever tag a pod was made with."""
    assert said(*BOTH) == ["api api-1/main: holds", "worker worker-1/main: holds"]


def test_other_bytes_are_named_with_what_another_tool_needs() -> None:
    """A pod of another digest differs; the remedy is not a promotion."""
    (api, _) = rows(pod("api-1", f"{API}:latest", OLD), BOTH[1])
    assert api.problem == "runs bbbbbbbbbbbb, not aaaaaaaaaaaa"
    assert api.remedy.startswith("inv images production")


def test_init_containers_are_looked_at() -> None:
    """One that has completed ran its bytes, too."""
    found = said(pod("api-1", API, init=f"{WORKER}:1"))
    assert found == [
        "worker api-1/main: runs bbbbbbbbbbbb, not aaaaaaaaaaaa", "api api-1/main: holds",
    ]  # fmt: skip


def test_other_images_are_nobodys_business() -> None:
    """What is no image of a service is not judged."""
    assert said(*BOTH, pod("db-1", "postgres:17", OLD)) == said(*BOTH)


def test_an_image_of_another_name_is_a_services() -> None:
    """`images` of the environment says what manifests call it."""
    found = said(
        pod("a-1", "mirror.example.org/shop-api:v1"), BOTH[1], api="mirror.example.org/shop-api"
    )
    assert found[0] == "api a-1/main: holds"


@pytest.mark.parametrize("ended", [{"phase": "Succeeded"}, {"deletionTimestamp": "now"}])
def test_what_is_over_is_not_judged(ended: dict[str, str]) -> None:
    """A run that has ended, or a pod that is about to, may be of the release before."""
    assert said(*BOTH, pod("run-1", API, OLD, **ended)) == said(*BOTH)


def test_a_service_that_nothing_runs_is_missing() -> None:
    """Each service of the release must have a container."""
    missing = f"is missing: no pod has an image called {WORKER}"
    assert said(BOTH[0])[-1] == f"worker : {missing}"


def test_what_cannot_be_told_is_not_called_missing() -> None:
    """Where workloads may not be listed, a service may be scaled to zero."""
    assert said(BOTH[0], blind="not allowed")[-1] == "worker : no pod of it runs; not allowed"


def test_pods_that_should_be_there_are_missing() -> None:
    """A Deployment of two with one pod lacks one."""
    items = (
        workload("Deployment", "api", f"{API}@{NEW}", replicas=2),
        workload("ReplicaSet", "api-5", f"{API}@{NEW}", owner="api", replicas=2),
        pod("api-1", API, owner="api-5"),
    )
    assert said(*items, BOTH[1])[-1] == "api a pod of deployment/api: is missing"


@pytest.mark.parametrize(
    ("image", "outcome"),
    [
        (f"{WORKER}@{NEW}", "holds"),
        (f"{WORKER}@{OLD}", "runs bbbbbbbbbbbb, not aaaaaaaaaaaa"),
        (f"{WORKER}:v1", f"no pod of it runs, and {WORKER}:v1 does not say by digest what would"),
    ],
)
@pytest.mark.parametrize("kind", ["Deployment", "CronJob"])
def test_what_runs_no_pod_is_judged_by_its_template(kind: str, image: str, outcome: str) -> None:
    """Scaled to zero, or run by the clock: its digest, or that it cannot be told."""
    spec: dict[str, Any] = {"replicas": 0} if kind == "Deployment" else {}
    found = said(BOTH[0], workload(kind, "worker", image, **spec))
    assert found[-1] == f"worker {kind.lower()}/worker/main: {outcome}"


def test_a_service_that_is_only_a_job_is_judged_by_the_latest() -> None:
    """Its pods are over; of two Jobs the newer one counts."""
    older = workload("Job", "migrate-1", f"{WORKER}@{OLD}", created="2026-01-01T00:00:00Z")
    newer = workload("Job", "migrate-2", f"{WORKER}@{NEW}", created="2026-01-02T00:00:00Z")
    assert said(BOTH[0], newer, older)[-1] == "worker job/migrate-2/main: holds"


def test_a_node_that_does_not_answer_is_named() -> None:
    """What its kubelet said last is not what runs."""
    lost = pod("api-1", API)
    lost["spec"]["nodeName"] = "node-2"
    assert "node-2, a node that does not answer" in said(lost, BOTH[1])[0]


def observed(listed: Answer, pods: Answer) -> tuple[Observer, Recorded]:
    """The observer, where workloads and pods are listed with these answers."""
    kubectl = Recorded(
        answers={
            "get deployments.apps,": listed, "get pods": pods, "get nodes": [],
            "get namespace": "", "create": [{"status": {"allowed": True}}],
        }
    )  # fmt: skip
    return Observer(deployment(), lambda _: kubectl), kubectl


def test_everything_is_looked_at_where_it_may_be() -> None:
    """Workloads and pods, with one call."""
    watched, kubectl = observed(BOTH, [])
    assert [row.container for row in watched.running()] == ["api-1/main", "worker-1/main", ""]
    assert kubectl.lines("get pods") == []


def test_pods_alone_are_looked_at_where_workloads_may_not_be() -> None:
    """Then what has no pod cannot be told; any other refusal is an error."""
    watched, _ = observed(Refused("Error from server (Forbidden): deployments.apps"), BOTH[:1])
    unknown = [row.unknown for row in watched.running() if row.service == "worker"]
    assert unknown == [
        "no pod of it runs; workloads may not be listed here, so it may be scaled to zero"
    ]
    with pytest.raises(Refused, match="InternalError"):
        observed(Refused("Error from server (InternalError): oh"), BOTH)[0].running()


def test_a_check_asks_for_the_namespace_and_the_right_to_list_pods() -> None:
    """Nothing else is needed to look."""
    watched, kubectl = observed([], [])
    with pytest.raises(PreconditionError, match="there is no namespace shop"):
        watched.check()
    kubectl = Recorded(answers={**kubectl.answers, "get namespace": {"kind": "Namespace"}})
    Observer(deployment(), lambda _: kubectl).check()
    (asked,) = kubectl.inputs("create")
    (review,) = asked["items"]
    assert review["spec"]["resourceAttributes"]["resource"] == "pods"
