"""Beacon where it is meant to run: two Compose hosts, then a production on a Swarm of three."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import lab
from tests.kit.figures import Figures
from tests.kit.monorepo import NOBODYS_GIT, Monorepo
from tests.kit.repository import ROOT
from tests.kit.waiting import wait_for

pytestmark = pytest.mark.nightly

PORT = 8030
PASSWORD = "correct-horse-battery"

REQUEST = """
import sys, urllib.request
method, path, body = sys.argv[1:]
sent = urllib.request.Request(f"http://api:8000{path}", body.encode() or None, method=method)
print(urllib.request.urlopen(sent, timeout=5).read().decode())
"""

Ask = Callable[[str, str, str], Any]


@dataclass(frozen=True)
class Beacon:
    """A clone of this very commit, whose environments run on the hosts of a lab."""

    repo: Monorepo
    hosts: lab.Lab

    @property
    def stack(self) -> str:
        """Not the Compose project's name: a node cannot tell two networks of one name apart."""
        return f"{self.repo.namespace}-stack"

    def on_compose(self, host: str) -> Ask:
        """A client of the api that a Compose host publishes."""

        def ask(method: str, path: str, body: str = "") -> Any:
            connection = http.client.HTTPConnection(self.hosts.addresses[host], PORT, timeout=5)
            try:
                connection.request(method, path, body or None)
                return json.loads(connection.getresponse().read())
            finally:
                connection.close()

        return ask

    def on_swarm(self) -> Ask:
        """A client of the api within the stack's network."""

        def ask(method: str, path: str, body: str = "") -> Any:
            network = f"--network={self.stack}_default"
            client = ("run", "--rm", network, self.hosts.base_image, "python3", "-c", REQUEST)
            return json.loads(self.docker("host1", *client, method, path, body))

        return ask

    def docker(self, host: str, *arguments: str) -> str:
        """The docker client on one of the hosts."""
        command = ["docker", "--host", self.hosts.hosts[host], *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def change_a_line(self) -> None:
        page = self.repo.root / "api/src/beacon_api/page.py"
        text = f"{page.read_text()}# {secrets.token_hex(4)}\n"
        self.repo.commit("Change a line", {str(page): text})
        self.repo.inv("build", "--sha")
        self.repo.inv("promote", "staging")


@pytest.fixture(scope="module")
def beacon(hosts: lab.Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beacon]:
    """Built at this commit, with a staging on host2 and a password for its store."""
    namespace = f"beacon{secrets.token_hex(4)}"
    folder = tmp_path_factory.mktemp(namespace)
    (folder / "password").write_text(PASSWORD)
    kept = {name: os.environ[name] for name in os.environ if not name.startswith("GITHUB_")}
    env = {**kept, **hosts.environ(), **NOBODYS_GIT, "NO_COLOR": "1"}
    env["BEACON_STORE_PASSWORD_FILE"] = str(folder / "password")
    env["INVOKE_RUNTIME_CONFIG"] = str(folder / "invoke.json")
    repo = Monorepo(
        folder / "clone", folder / "origin.git", hosts.registry, namespace, env, ("api", "worker")
    )
    repo.git("init", "--quiet", "--bare", "--initial-branch=main", str(repo.origin), cwd=folder)
    repo.git("push", "--quiet", str(repo.origin), "HEAD:refs/heads/main", cwd=ROOT)
    repo.git("clone", "--quiet", str(repo.origin), str(repo.root), cwd=folder)
    made = Beacon(repo, hosts)
    configure(made, "compose", "host3")
    repo.inv("build", "--sha")
    repo.inv("promote", "staging")
    yield made
    for host in ("host2", "host3"):
        label = f"--filter=label=com.docker.compose.project={namespace}"
        if ids := made.docker(host, "ps", "--all", "--quiet", label).split():
            made.docker(host, "rm", "--force", "--volumes", *ids)


def configure(beacon: Beacon, engine: str, host: str) -> None:
    """Say where the environments are, as a machine's own settings do."""
    overrides = json.loads((beacon.hosts.state / "invoke.yaml").read_text())["buildonce"]
    common = {"project": beacon.repo.namespace, "timeout": "3m"}
    variables = {
        "BEACON_STORE_IMAGE": beacon.hosts.store_image,
        "BEACON_INTERVAL_SECONDS": "1",
    }
    published = {**variables, "BEACON_PORT": str(PORT)}
    swarm = {**variables, "BEACON_PORT": "0", "BEACON_PORT_MODE": "host"}
    staging = {"engine": "compose", "file": "deploy/compose.yaml", "variables": published}
    production = {**staging, "engine": engine}
    if engine == "swarm":
        swarm["BEACON_ENDPOINT_MODE"] = "dnsrr"
        stack = {"file": "deploy/stack.yaml", "variables": swarm, "project": beacon.stack}
        production |= stack
    overrides["image"] = f"{{registry}}/{beacon.repo.namespace}/{{service}}"
    overrides["environments"] = {
        "staging": {**staging, **common, "host": beacon.hosts.hosts["host2"]},
        "production": {
            **common, **production, "host": beacon.hosts.hosts[host], "after": "staging",
        },
    }  # fmt: skip
    (beacon.repo.root.parent / "invoke.json").write_text(json.dumps({"buildonce": overrides}))


def watches(ask: Ask) -> Callable[[], bool]:
    """Have the api itself watched; call to learn whether the worker has found it up."""
    ask("POST", "/targets", json.dumps({"url": "http://api:8000/version"}))

    def found() -> bool:
        (target,) = ask("GET", "/targets", "")
        return any(result["status"] == 200 for result in target["results"])

    return found


def revision(ask: Ask) -> str:
    return str(ask("GET", "/version", "")["revision"])


def test_it_runs_on_two_compose_hosts(beacon: Beacon, figures: Figures) -> None:
    """Through the api of production the worker's probes are read, before a promotion and after."""
    configure(beacon, "compose", "host3")
    beacon.repo.inv("promote", "production")
    ask = beacon.on_compose("host3")
    wait_for(watches(ask), "the worker's first result")
    beacon.change_a_line()
    began = time.monotonic()
    beacon.repo.inv("promote", "production")
    figures("Beacon on Compose, inv promote", seconds=f"{time.monotonic() - began:.1f}")
    assert revision(ask) == beacon.repo.git("rev-parse", "HEAD")
    assert watches(ask)()
    beacon.repo.inv("verify")


def test_it_runs_on_a_swarm(beacon: Beacon, figures: Figures) -> None:
    """The same on three nodes: a release that staging runs on Compose, task by task by digest."""
    configure(beacon, "swarm", "host1")
    beacon.repo.inv("promote", "production", "--reason", "from Compose to Swarm")
    ask = beacon.on_swarm()
    try:
        wait_for(watches(ask), "the worker's first result")
        beacon.change_a_line()
        began = time.monotonic()
        beacon.repo.inv("promote", "production")
        figures("Beacon on Swarm, inv promote", seconds=f"{time.monotonic() - began:.1f}")
        assert revision(ask) == beacon.repo.git("rev-parse", "HEAD")
        assert watches(ask)()
        beacon.docker("host3", "compose", "--project-name", beacon.repo.namespace, "down")
        beacon.repo.inv("verify")
        image = str(beacon.repo.images("api")) + ":staging"
        api = f"{beacon.stack}_api"
        beacon.docker("host1", "service", "update", "--quiet", "--no-resolve-image",
                      f"--image={image}", api)  # fmt: skip
        said = beacon.repo.inv("verify", "--env", "production", "--json", expect=9).json()
        wrong = {row["service"] for row in said["evidence"] if not row["holds"]}
        assert wrong == {"api"}
        beacon.repo.inv("promote", "production")
        beacon.repo.inv("verify")
    finally:
        beacon.docker("host1", "stack", "rm", beacon.stack)


def test_no_secret_leaves_the_process(beacon: Beacon) -> None:
    """The store's password is in no plan, no ledger, no definition; a store without it refuses."""
    configure(beacon, "compose", "host3")
    older = ("--sha", "HEAD~1", "--override", "forward", "--reason", "a look at the plan")
    plan = beacon.repo.inv("promote", "production", *older, "--dry-run")
    ledger = beacon.repo.git("log", "--patch", "release-ledger", cwd=beacon.repo.origin)
    assert PASSWORD not in plan.out + plan.err + ledger
    assert "BEACON_STORE_PASSWORD_FILE" in ledger
