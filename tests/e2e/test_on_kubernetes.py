"""Beacon and others' monorepos on a real cluster, by the commands that people type."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import lab
from tests.kit.figures import Figures
from tests.kit.foreign import KUSTOMIZE
from tests.kit.kubernetes import Kubectl, needs_kubernetes, workload
from tests.kit.monorepo import NOBODYS_GIT, Monorepo
from tests.kit.recipes import Monorepo as RecipeMonorepo
from tests.kit.recipes import a_broken_commit, a_commit, begin, follow
from tests.kit.repository import ROOT
from tests.kit.waiting import wait_for

pytestmark = [needs_kubernetes, pytest.mark.nightly]

SERVICES = ("api", "worker")
LAB = 'context = "lab"'
BASE = "deploy/base/kustomization.yaml"
A_NAMESPACE = {
    "deploy/base/namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: acme}\n"
}
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
ASK = """
import sys, time, urllib.request as r
path, body = sys.argv[1:]
request, last = r.Request(f"http://api{path}", body.encode() or None), time.monotonic() + 60
while True:
    try:
        print(r.urlopen(request, timeout=10).read().decode())
        break
    except OSError:
        if time.monotonic() > last:
            raise
        time.sleep(0.2)
"""
"""Waits for an answer: a Service has one only once kube-proxy has seen that a pod is ready."""


@dataclass(frozen=True)
class Cluster:
    """The lab's cluster, with namespaces of the test's own."""

    lab: lab.Lab
    name: str

    def kubectl(self, place: str) -> Kubectl:
        assert self.lab.kubeconfig is not None
        return Kubectl(self.lab.kubeconfig, f"{self.name}-{place}")

    def add(self, place: str) -> Kubectl:
        """Make a namespace in which no pod may do more than the restricted standard allows."""
        kubectl = self.kubectl(place)
        kubectl("create", "namespace", kubectl.namespace)
        kubectl("label", "namespace", kubectl.namespace, RESTRICTED)
        return kubectl

    def account(self, place: str, role: str, folder: Path) -> str:
        """A service account that has a role in a namespace: its kubeconfig."""
        kubectl = self.kubectl(place)
        kubectl("create", "serviceaccount", role)
        bound = f"--serviceaccount={kubectl.namespace}:{role}"
        kubectl("create", "rolebinding", role, f"--role={role}", bound)
        config = kubectl.json("config", "view", "--raw")
        token = kubectl("create", "token", role).strip()
        config["users"] = [{"name": role, "user": {"token": token}}]
        config["contexts"][0]["context"]["user"] = role
        path = folder / f"{role}.json"
        path.write_text(json.dumps(config))
        return str(path)

    def environ(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in os.environ if not name.startswith("GITHUB_")}
        return {
            **kept, **self.lab.environ(), **NOBODYS_GIT, "NO_COLOR": "1",
            "KUBECONFIG": str(self.lab.kubeconfig),
        }  # fmt: skip


@pytest.fixture(scope="module")
def cluster(kubernetes: lab.Lab) -> Iterator[Cluster]:
    made = Cluster(kubernetes, f"t{secrets.token_hex(4)}")
    yield made
    names = made.kubectl("")("get", "namespaces", "--output=name").split()
    if mine := [name for name in names if made.name in name]:
        made.kubectl("")("delete", "--wait=false", *mine)


@pytest.fixture(scope="module")
def beacon(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Monorepo:
    """A clone of this very commit, built, whose environments are namespaces of the cluster."""
    folder = tmp_path_factory.mktemp("beacon")
    env = {**cluster.environ(), "INVOKE_RUNTIME_CONFIG": str(folder / "invoke.json")}
    repo = Monorepo(
        folder / "clone", folder / "origin.git", cluster.lab.registry, cluster.name, env, SERVICES
    )
    repo.git("init", "--quiet", "--bare", "--initial-branch=main", str(repo.origin), cwd=folder)
    repo.git("push", "--quiet", str(repo.origin), "HEAD:refs/heads/main", cwd=ROOT)
    repo.git("clone", "--quiet", str(repo.origin), str(repo.root), cwd=folder)
    settings = json.loads((cluster.lab.state / "invoke.yaml").read_text())["buildonce"]
    settings["image"] = f"{{registry}}/{cluster.name}/{{service}}"
    settings["environments"] = {
        "staging": deploying(cluster, "staging"),
        "production": {**deploying(cluster, "production"), "after": "staging"},
        "gitops": {
            "engine": "kubernetes", "context": "lab", "namespace": f"{cluster.name}-gitops",
            "images": {name: f"acme/{name}" for name in SERVICES},
        },
    }  # fmt: skip
    (folder / "invoke.json").write_text(json.dumps({"buildonce": settings}))
    repo.inv("build", "--sha")
    return repo


def deploying(cluster: Cluster, place: str) -> dict[str, Any]:
    """The settings of an environment of Beacon's, with the registry and store of the lab."""
    return {
        "engine": "kubernetes",
        "file": f"deploy/kubernetes/{place}",
        "context": "lab",
        "namespace": f"{cluster.name}-{place}",
        "project": "beacon",
        "timeout": "4m",
        "images": {name: f"ghcr.io/buildonce/beacon/{name}" for name in SERVICES},
        "variables": {"BEACON_STORE_IMAGE": cluster.lab.store_image},
    }


def client(kubectl: Kubectl) -> Callable[..., Any]:
    """Asks the api through its Service, from the worker's pod."""

    def ask(path: str, body: str = "") -> Any:
        worker = ("exec", "deployment/worker", "--", "python", "-c", ASK)
        return json.loads(kubectl(*worker, path, body))

    return ask


def test_beacon_runs_in_two_namespaces(
    beacon: Monorepo, cluster: Cluster, figures: Figures
) -> None:
    """Promoted to both under the restricted standard, its api and worker answer by their store."""
    for place in ("staging", "production"):
        password = "--from-literal=beacon_store_password=correct-horse-battery"
        cluster.add(place)("create", "secret", "generic", "beacon-store", password)
        began = time.monotonic()
        beacon.inv("promote", place)
        figures(f"Beacon on Kubernetes, {place}", seconds=f"{time.monotonic() - began:.1f}")
    beacon.inv("verify", "--env", "staging", "--env", "production")
    ask = client(cluster.kubectl("production"))
    assert ask("/version")["revision"] == beacon.git("rev-parse", "HEAD")
    ask("/targets", json.dumps({"url": "http://api/version"}))
    wait_for(
        lambda: any(result["status"] == 200 for result in ask("/targets")[0]["results"]),
        "the worker's first result",
        seconds=180,
    )
    claims = cluster.kubectl("production").json("get", "persistentvolumeclaims")["items"]
    assert [claim["status"]["phase"] for claim in claims] == ["Bound"]


def sleeping(name: str) -> str:
    """A Deployment of an image that another tool is to name."""
    alone = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    limited = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    main = {
        "name": "main",
        "image": f"acme/{name}",
        "command": ["sleep", "infinity"],
        "securityContext": limited,
    }
    return workload("Deployment", name, main, replicas=1, pods={"securityContext": alone})


def test_what_another_tool_deploys_is_seen(
    beacon: Monorepo, cluster: Cluster, tmp_path: Path
) -> None:
    """Its pods differ until it has deployed what `inv images` prints; at zero, templates count."""
    kubectl = cluster.add("gitops")
    files = {
        "kustomization.yaml": "resources: [api.yaml, worker.yaml]\ncomponents: [images]\n",
        **{f"{name}.yaml": sleeping(name) for name in SERVICES},
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "images").mkdir()

    def deploy() -> None:
        component = beacon.inv("images", "gitops", "--format", "kustomize").out
        (tmp_path / "images/kustomization.yaml").write_text(component)
        kubectl("apply", "--kustomize", str(tmp_path))
        for name in SERVICES:
            kubectl("rollout", "status", f"deployment/{name}", "--timeout=2m")
        wait_for(lambda: len(kubectl.json("get", "pods")["items"]) == 2, "the old pods to go")

    beacon.inv("promote", "gitops")
    missing = beacon.inv("verify", "--env", "gitops", expect=9)
    assert "inv images gitops" in missing.err
    deploy()
    beacon.inv("verify", "--env", "gitops")
    page = beacon.root / "api/src/beacon_api/page.py"
    beacon.commit("Change a line", {str(page): f"{page.read_text()}# changed\n"})
    beacon.inv("build", "--sha")
    beacon.inv("promote", "gitops")
    evidence = beacon.inv("verify", "--env", "gitops", "--json", expect=9).json()["evidence"]
    assert {row["service"] for row in evidence if not row["holds"]} == {"api"}
    deploy()
    kubectl("scale", "deployment", "--all", "--replicas=0")
    wait_for(lambda: not kubectl.json("get", "pods")["items"], "no pod to be left")
    said = beacon.inv("status", "--check").row("gitops")
    assert "yes" in said
    kubectl("set", "image", "deployment/worker", f"main={beacon.images('worker')}:gitops")
    assert "yes (1 not checked)" in beacon.inv("status", "--check").row("gitops")
    kubectl("apply", "--filename", str(ROOT / "deploy/kubernetes/rights/verifier.yaml"))
    kubectl("create", "role", "pods", "--verb=list", "--resource=pods")
    seen = {}
    for role in ("buildonce-verifier", "pods"):
        account = {"KUBECONFIG": cluster.account("gitops", role, tmp_path)}
        said = beacon.inv("verify", "--env", "gitops", "--json", env=account).json()
        rows = [row for row in said["evidence"] if row["service"]]
        seen[role] = {row["service"]: row["found"] for row in rows if not row["checked"]}
    assert set(seen["buildonce-verifier"]) == {"worker"}
    assert {name: "may not be listed" in why for name, why in seen["pods"].items()} == {
        "api": True, "worker": True,
    }  # fmt: skip


def test_the_recipe_does_what_it_says(cluster: Cluster, tmp_path: Path) -> None:
    """docs/kubernetes.md from its files to a rollback, its two contexts on one cluster."""
    monorepo = begin(tmp_path, cluster.lab)
    config = cluster.kubectl("").json("config", "view", "--raw")
    (there,) = config["contexts"]
    config["contexts"] = [{**there, "name": name} for name in ("staging", "production")]
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    monorepo.env["KUBECONFIG"] = str(tmp_path / "kubeconfig")
    monorepo.write_files(ROOT / "docs/kubernetes.md")
    monorepo.commit("Run the shop on Kubernetes")
    events = {"a-commit": a_mended_commit, "a-broken-commit": a_broken_commit}
    try:
        follow(ROOT / "docs/kubernetes.md", monorepo, events)
    finally:
        for name in ("shop-staging", "shop"):
            cluster.kubectl("")("delete", "namespace", name, "--ignore-not-found", "--wait=false")


def a_mended_commit(monorepo: RecipeMonorepo) -> None:
    """Somebody takes back what was broken, and goes on."""
    monorepo.succeed("git", "revert", "--no-edit", "HEAD")
    a_commit(monorepo)


def test_what_init_proposes_is_deployed(cluster: Cluster, tmp_path: Path) -> None:
    """A foreign kustomization, its proposal uncommented and given a context, runs and is verified.

    `doctor` says at once all that is in the way. A CronJob's template counts as evidence.
    """
    namespace = f"{cluster.name}-acme"
    settings = json.loads(cluster.lab.overrides())
    settings["buildonce"]["registry"] = f"{cluster.lab.registry}/{namespace}"
    (tmp_path / "machine.json").write_text(json.dumps(settings))
    env = {**cluster.environ(), "INVOKE_RUNTIME_CONFIG": str(tmp_path / "machine.json")}
    repo = Monorepo(
        tmp_path / "clone", tmp_path / "origin.git", cluster.lab.registry, namespace, env,
        ("storefront", "ledgerd"),
    )  # fmt: skip
    here = {"namespace: acme": f"namespace: {namespace}"}
    files = {path: replaced(text, here) for path, text in KUSTOMIZE.items()}
    base = files[BASE]
    repo.begin({**files, **A_NAMESPACE, BASE: replaced(base, {"[": "[namespace.yaml, "})})
    subprocess.run(
        [sys.executable, "-m", "buildonce", "init", "--yes"],
        cwd=repo.root, env={**repo.env}, stdin=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    table = (repo.root / "pyproject.toml").read_text()
    contexts = {"# ": "", 'context = "staging"': LAB, 'context = "production"': LAB}
    repo.commit("Release with buildonce", {"pyproject.toml": replaced(table, contexts)})
    said = repo.inv("doctor", expect=3).out
    for name in (namespace, f"{namespace}-staging"):
        assert f"→ kubectl --context=lab create namespace {name}" in said
        assert f"namespace/{name}: belongs to the whole cluster" in said
        cluster.kubectl("")("create", "namespace", name)
    repo.commit("The namespace is made once", {BASE: base})
    repo.inv("doctor")
    repo.inv("build", "--sha")
    repo.inv("promote", "staging")
    evidence = repo.inv("verify", "--env", "staging", "--json").json()["evidence"]
    (report,) = [row for row in evidence if row["check"] == "template"]
    assert (report["service"], report["holds"]) == ("ledgerd", True)


def replaced(text: str, words: Mapping[str, str]) -> str:
    for old, new in words.items():
        text = text.replace(old, new)
    return text
