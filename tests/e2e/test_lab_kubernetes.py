"""The lab's Kubernetes: two side by side, and nothing left of either."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import lab
from lab.place import Place
from tests.kit.kubernetes import Kubectl, needs_kubernetes
from tests.kit.waiting import wait_for

pytestmark = [needs_kubernetes, pytest.mark.nightly]


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[lab.Lab]]:
    """Two labs with a cluster each, the second with a password on its registry."""
    states = [tmp_path_factory.mktemp("lab") / name for name in ("first", "second")]
    yield [
        lab.up(kubernetes=True, auth=auth, state=state)
        for state, auth in zip(states, (False, True), strict=True)
    ]
    for state in states:
        lab.down(state)


def kubectl(cluster: lab.Lab) -> Kubectl:
    assert cluster.kubeconfig is not None
    return Kubectl(cluster.kubeconfig)


def website(image: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two pods with a page on a volume, and their service."""
    labels = {"app": "web"}
    page = "echo hello >/data/index.html; exec httpd -f -p 8000 -h /data"
    container = {
        "name": "web",
        "image": image,
        "command": ["sh", "-c", page],
        "readinessProbe": {"httpGet": {"port": 8000}, "periodSeconds": 1},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Mi"}},
        },
    }
    pods = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "web"},
        "spec": {
            "serviceName": "web",
            "replicas": 2,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
            },
            "volumeClaimTemplates": [claim],
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8000}]},
    }
    return pods, service


def answers(call: Kubectl) -> bool:
    """Whether one pod reaches the others by the name of their service."""
    try:
        said = call("exec", "web-0", "--", "wget", "-qO-", "http://web.default.svc.cluster.local")
    except AssertionError:
        return False
    return said == "hello\n"


def test_two_clusters_work_side_by_side(clusters: list[lab.Lab]) -> None:
    """In each, pods pull from its own lab's registry, get volumes and find services by name."""

    def use(cluster: lab.Lab) -> str:
        call = kubectl(cluster)
        call.apply(*website(cluster.pause_image))
        call("rollout", "status", "statefulset/web", "--timeout=90s")
        wait_for(lambda: answers(call), "an answer through the service")
        (pod, _) = call.json("get", "pods", "--selector=app=web")["items"]
        return str(pod["status"]["containerStatuses"][0]["imageID"])

    with ThreadPoolExecutor() as together:
        found = list(together.map(use, clusters))
    digest = clusters[0].pause_image.rpartition("@")[2]
    assert found == [f"{one.registry}/library/busybox@{digest}" for one in clusters]


def test_a_part_that_died_is_started_again(clusters: list[lab.Lab]) -> None:
    """`lab.up` starts the daemon that is gone, and leaves the others alone."""
    first = clusters[0]
    before = {part.name: part.pid for part in lab.status(first.state)}
    subprocess.run(["kill", "-9", str(before["kube-scheduler"])], check=True)
    lab.up(kubernetes=True, state=first.state)
    after = {part.name: part.pid for part in lab.status(first.state)}
    assert {name for name in before if before[name] != after[name]} == {"kube-scheduler"}
    assert all(part.running for part in lab.status(first.state))


def test_nothing_is_left_of_a_cluster(clusters: list[lab.Lab]) -> None:
    """After `lab.down` no process, mount, link, cgroup or file carries the lab's name."""
    second = clusters[1]
    place = Place.of(second.state)
    subnet = json.loads(place.record.read_text())["subnet"].removesuffix("0.0/16")
    lab.down(second.state)
    words = (str(place.state), str(place.run), place.mark, place.interface(""), subnet)
    shown = [
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for command in (
            *(["ip", "address"], ["ip", "netns"], ["iptables-save"], ["ps", "-eo", "args"]),
            *(["cat", "/proc/mounts"], ["find", "/sys/fs/cgroup", "-type", "d"]),
        )
    ]
    lines = [line for text in shown for line in text.splitlines()]
    assert [line for line in lines if any(word in line for word in words)] == []
    assert not place.state.exists()
    assert not place.run.exists()


def test_it_says_how_to_have_the_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the programs nothing is started, and the message says what they are."""
    monkeypatch.delenv("BUILDONCE_KUBERNETES")
    with pytest.raises(lab.LabError, match="BUILDONCE_KUBERNETES is not set"):
        lab.up(kubernetes=True, state=tmp_path / "state")
    monkeypatch.setenv("BUILDONCE_KUBERNETES", str(tmp_path))
    with pytest.raises(lab.LabError, match="has no kube-apiserver"):
        lab.up(kubernetes=True, state=tmp_path / "state")
