"""Beacon, the monorepo of this repository: reproducible, cached by layer, well behaved."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

import lab
from tests.kit.docker_recorder import DockerRecorder
from tests.kit.monorepo import Monorepo
from tests.kit.repository import ROOT
from tests.kit.waiting import wait_for

SERVICES = ("api", "worker")

VERSION = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000/version').read())"

Clone = Callable[[], Monorepo]


@pytest.fixture(scope="module")
def clone(
    running: lab.Lab, env: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Clone:
    """Clone this very commit, with a remote and with images of its own."""

    def new() -> Monorepo:
        namespace = f"beacon-{secrets.token_hex(4)}"
        folder = tmp_path_factory.mktemp(namespace)
        image = {"INVOKE_BUILDONCE_IMAGE": f"{{registry}}/{namespace}/{{service}}"}
        repo = Monorepo(
            root=folder / "clone",
            origin=folder / "origin.git",
            registry=running.registry,
            namespace=namespace,
            env={**env, **image},
            services=SERVICES,
        )
        repo.git("init", "--quiet", "--bare", "--initial-branch=main", str(repo.origin), cwd=folder)
        repo.git("push", "--quiet", str(repo.origin), "HEAD:refs/heads/main", cwd=ROOT)
        repo.git("clone", "--quiet", str(repo.origin), str(repo.root), cwd=folder)
        return repo

    return new


@pytest.fixture(scope="module")
def beacon(clone: Clone) -> Monorepo:
    """Beacon, built at this commit."""
    repo = clone()
    repo.inv("build", "--sha")
    return repo


@pytest.mark.nightly
def test_two_builds_without_a_cache_give_the_same_bytes(
    beacon: Monorepo, clone: Clone, docker: DockerRecorder
) -> None:
    """Built anew from another clone, with no layer reused, each service has the same digest."""
    docker.before_a_build('set -- "$@" --no-cache')
    again = clone()
    log = again.inv("build", "--sha", env=docker.env).err
    last_of_stage = r"#(\d+) \[\w+ (?:dependencies|build) (\d+)/\2\] RUN "
    installs = {number for number, _ in re.findall(last_of_stage, log)}
    assert len(installs) == 4
    assert installs.isdisjoint(re.findall(r"#(\d+) CACHED", log))
    assert again.digests(again.sha()) == beacon.digests(beacon.sha())


def test_a_line_in_the_api_changes_one_layer(beacon: Monorepo) -> None:
    """After it, the api has one new layer, the worker none; the dependencies are untouched."""
    before = beacon.sha()
    path = beacon.root / "api/src/beacon_api/app.py"
    after = beacon.commit("Change a line", {str(path): f"{path.read_text()}# changed\n"})
    beacon.inv("build", "--sha")
    try:
        assert layers(beacon, "worker", after) == layers(beacon, "worker", before)
        old, new = layers(beacon, "api", before), layers(beacon, "api", after)
        assert len(new) == len(old)
        assert [one == other for one, other in zip(old, new, strict=True)].count(False) == 1
    finally:
        beacon.git("reset", "--quiet", "--hard", before)


@pytest.mark.parametrize("service", SERVICES)
def test_the_image_ships_no_build_tools(beacon: Monorepo, service: str) -> None:
    """What builds the service is not in the image that runs it."""
    image = f"{beacon.images(service)}:{beacon.sha()}"
    look = "import importlib.util as u; print(u.find_spec('hatchling'), u.find_spec('setuptools'))"
    said = docker_run(beacon, "run", "--rm", "--network=none", image, "python", "-c", look)
    assert said == "None None"


@dataclass(frozen=True)
class Running:
    """Both services and a store, as containers that share one network."""

    repo: Monorepo
    containers: Mapping[str, str]

    def shown(self, service: str, field: str) -> str:
        return docker_run(self.repo, "inspect", f"--format={field}", self.containers[service])

    def inside(self, service: str, *argv: str) -> str:
        return docker_run(self.repo, "exec", self.containers[service], *argv)


@pytest.fixture(scope="module")
def services(beacon: Monorepo, running: lab.Lab) -> Iterator[Running]:
    store = docker_run(beacon, "run", "--detach", running.store_image)
    containers = {"store": store}
    try:
        for service in SERVICES:
            image = f"{beacon.images(service)}:{beacon.sha()}"
            network = f"--network=container:{store}"
            containers[service] = docker_run(beacon, "run", "--detach", network, image)
        yield Running(beacon, containers)
    finally:
        docker_run(beacon, "rm", "--force", "--volumes", *containers.values())


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_becomes_healthy(services: Running, service: str) -> None:
    """The image's own health check comes to say that the service works with its store."""
    health = "{{.State.Health.Status}}"
    wait_for(lambda: services.shown(service, health) == "healthy", f"{service} to be healthy")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_runs_as_nobody_special(services: Running, service: str) -> None:
    """Inside the container the process is no root."""
    assert services.inside(service, "id", "-u") != "0"


def test_the_api_says_what_it_was_built_from(services: Running) -> None:
    """/version answers with the commit's forty digits."""
    health = "{{.State.Health.Status}}"
    wait_for(lambda: services.shown("api", health) == "healthy", "the api to be healthy")
    revision = services.repo.git("rev-parse", "HEAD")
    assert revision in services.inside("api", "python", "-c", VERSION)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_stops_cleanly(beacon: Monorepo, running: lab.Lab, service: str) -> None:
    """On SIGTERM it ends by itself, with status 0, well before it would be killed."""
    store = docker_run(beacon, "run", "--detach", running.store_image)
    image = f"{beacon.images(service)}:{beacon.sha()}"
    network = f"--network=container:{store}"
    container = docker_run(beacon, "run", "--detach", network, image)
    try:
        health = ("inspect", "--format={{.State.Health.Status}}", container)
        wait_for(lambda: docker_run(beacon, *health) == "healthy", f"{service} to be healthy")
        docker_run(beacon, "stop", "--time=30", container)
        state = json.loads(docker_run(beacon, "inspect", "--format={{json .State}}", container))
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False)
    finally:
        docker_run(beacon, "rm", "--force", "--volumes", container, store)


def layers(repo: Monorepo, service: str, sha: str) -> list[str]:
    return repo.images(service).require(sha).layers


def docker_run(repo: Monorepo, *arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], env=repo.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
