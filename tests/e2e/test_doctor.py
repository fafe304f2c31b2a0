"""`inv doctor`: each problem with its remedy, before anything is built."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

import lab
from tests.kit.lab_docker import docker
from tests.kit.monorepo import Monorepo


def test_a_healthy_machine_passes(built: Monorepo) -> None:
    """Everything that a release needs is looked at, found, and left as it was."""
    before = built.state()
    said = built.inv("doctor").out
    for subject in ("git", "ledger", "engine", "Buildx", "builder", "registry"):
        assert f"✓  {subject} " in said
    assert built.state() == before


@pytest.mark.parametrize(
    ("variable", "value", "subject", "remedy"),
    [
        ("DOCKER_HOST", "unix:///nowhere/docker.sock", "engine", "DOCKER_HOST"),
        ("INVOKE_BUILDONCE_PLATFORM", "linux", "configuration", "tool.buildonce.platform"),
    ],
)
def test_a_problem_is_named(
    built: Monorepo, variable: str, value: str, subject: str, remedy: str
) -> None:
    """What does not answer or is wrong ends with 3, its name and what to do about it."""
    done = built.inv("doctor", expect=3, env={variable: value})
    assert subject in done.err
    assert f"✗ {subject}: " in done.out
    assert remedy in done.out


def test_an_engine_that_is_down_has_no_good_builder(built: Monorepo) -> None:
    """Without an engine the builder's driver cannot be told: that is no pass."""
    done = built.inv("doctor", expect=3, env={"DOCKER_HOST": "unix:///nowhere/docker.sock"})
    assert "✗ builder: " in done.out


def test_the_hosts_of_environments_are_looked_at(repo: Monorepo) -> None:
    """Where an environment runs containers, Compose and each host's engine are needed, too."""
    assert "Compose" not in repo.inv("doctor").out
    there = repo.env["DOCKER_HOST"]
    with (repo.root / "pyproject.toml").open("a") as table:
        for name, host in {"near": there, "far": "unix:///nowhere/docker.sock"}.items():
            table.write(
                f'[tool.buildonce.environments.{name}]\nengine = "compose"\n'
                f'file = "compose.yaml"\nproject = "{name}"\nhost = "{host}"\n'
            )
    done = repo.inv("doctor", expect=3)
    assert "✓  Compose " in done.out
    assert "✓  host of near " in done.out
    assert "✗ host of far: " in done.out
    assert done.err.strip().endswith("problems found: files of near, host of far")


def test_a_registry_that_is_down_is_named(built: Monorepo, nowhere: Mapping[str, str]) -> None:
    """A registry that does not answer is named by its address."""
    assert "✗ registry: " in built.inv("doctor", expect=3, env=nowhere).out


def test_a_missing_docker_is_named(built: Monorepo, tmp_path: Path) -> None:
    """On a machine without docker, both of its parts are named with what to install."""
    for program in ("git", "sh"):
        found = shutil.which(program)
        assert found is not None
        (tmp_path / program).symlink_to(found)
    done = built.inv("doctor", expect=3, env={"PATH": str(tmp_path)})
    assert "✗ engine: " in done.out
    assert "install Docker's Buildx plugin" in done.out


def test_a_remote_that_refuses_pushes_is_named(built: Monorepo) -> None:
    """Without the right to push the ledger, that is what has to be got first."""
    built.hook("update", "exit 1")
    built.git("config", "remote.origin.pushurl", "/nowhere.git")
    try:
        done = built.inv("doctor", expect=3)
    finally:
        built.git("config", "--unset", "remote.origin.pushurl")
    assert "get the right to push" in done.out


def test_a_shallow_clone_is_told(built: Monorepo, tmp_path: Path) -> None:
    """History that is cut off is no obstacle, and is mentioned with what it means."""
    built.commit("Another")
    shallow = built.clone(tmp_path / "shallow", "--depth=1")
    assert "shallow: enough to build" in shallow.inv("doctor").out


def test_outside_a_repository(built: Monorepo, tmp_path: Path) -> None:
    """A folder that is in no git repository is named, with the command that makes it one."""
    for name in ("pyproject.toml", "tasks.py"):
        shutil.copy(built.root / name, tmp_path)
    done = Monorepo(tmp_path, built.origin, built.registry, built.namespace, built.env).inv(
        "doctor", expect=3
    )
    assert "is not in a git repository" in done.out
    assert "git init" in done.out


BROKEN = {
    "pyproject.toml": """\
[tool.buildonce]
registry = "registry.example.org"
image = "{{registry}}/{namespace}/{{service}}"

[tool.buildonce.services]
web = {{ context = "web" }}
jobs = {{ dockerfile = "jobs/Containerfile" }}

[tool.buildonce.environments.production]
engine = "compose"
file = "compose.yaml"
project = "production"

[tool.buildonce.bases]
"redis:8" = "registry.example.org/redis:8"
""",
    ".env": "LEVEL=info\n",
    "web/Dockerfile": "FROM python:3.13-slim\nCOPY web.txt shared /app/\n",
    "compose.yaml": """\
services:
  web:
    image: ${BUILDONCE_IMAGE_WEB}
    environment: {KEY: "${KEY}", LEVEL: "${LEVEL}"}
    volumes: ["./web:/web"]
  jobs: {build: jobs}
""",
}


def test_everything_is_found_at_once(repo: Monorepo) -> None:
    """One run names every problem of the sources and the deployment files, each with its cost."""
    files = {name: text for name, text in BROKEN.items() if name != "pyproject.toml"}
    files["pyproject.toml"] = BROKEN["pyproject.toml"].format(namespace=repo.namespace)
    repo.commit("Break it in every way", files)
    found = repo.inv("doctor", "--json", expect=3).json()
    problems = {one["found"] for one in found if one["level"] == "problem"}
    assert problems == {
        "web/Dockerfile copies shared, which the context web does not have",
        "jobs/Containerfile is not in the commit",
        "no Dockerfile uses 'redis:8'",
        "compose.yaml: web mounts ./web, a path of the repository: hosts do not have it",
        "compose.yaml: jobs would be built when it is deployed: it has `build`",
        "production needs a value for: KEY",
    }
    assert all(one["cost"] and one["remedy"] for one in found if one["level"] != "ok")


@pytest.mark.nightly
def test_what_the_host_lacks_is_found(repo: Monorepo) -> None:
    """An external network that nobody made is named, with the command that makes it."""
    networks = "networks: {default: {external: true, name: nobody-made-it}}"
    images = "".join(
        f"  {one}: {{image: '${{BUILDONCE_IMAGE_{one.upper()}}}'}}\n" for one in repo.services
    )
    files = {"compose.yaml": f"services:\n{images}{networks}\n"}
    settings = (
        "[tool.buildonce.environments.staging]\n"
        'engine = "compose"\nfile = "compose.yaml"\nproject = "shop"\n'
    )
    text = (repo.root / "pyproject.toml").read_text()
    before = "[tool.buildonce.environments.staging]\n"
    repo.commit("Deploy", {**files, "pyproject.toml": text.replace(before, settings)})
    found = repo.inv("doctor", "--json", expect=3).json()
    (problem,) = [one for one in found if one["level"] == "problem"]
    assert problem["found"].endswith("lacks the external network nobody-made-it")
    assert "network create nobody-made-it" in problem["remedy"]


@pytest.mark.nightly
def test_a_port_that_is_taken_is_found(repo: Monorepo, running: lab.Lab) -> None:
    """A port that another container publishes is named with it; what is free is not."""
    name = f"holder-{repo.namespace}"
    publish = ("--publish", "127.0.0.1::80", running.base_image, "sleep", "600")
    docker(running, "run", "--detach", "--name", name, *publish)
    try:
        port = docker(running, "port", name, "80").rpartition(":")[2]
        services = "".join(
            f"  {one}: {{image: '${{BUILDONCE_IMAGE_{one.upper()}}}', ports: ['{published}:80']}}\n"
            for one, published in {"web": port, "jobs": "0"}.items()
        )
        table = (repo.root / "pyproject.toml").read_text()
        table += (
            '[tool.buildonce.environments.shop]\nengine = "compose"\n'
            'file = "compose.yaml"\nproject = "shop"\n'
        )
        repo.commit("Publish", {"compose.yaml": f"services:\n{services}", "pyproject.toml": table})
        done = repo.inv("doctor", expect=3)
        repo.inv("build", "--sha")
        refused = repo.inv("promote", "shop", expect=3)
    finally:
        docker(running, "rm", "--force", name)
    taken = f"port {port}/tcp, which web publishes, is taken by the container {name}"
    assert taken in done.out
    assert done.err.strip().endswith("problems found: ports of shop")
    assert taken in refused.err
    assert set(repo.digests("shop").values()) == {None}


TWO_ON_ONE_HOST = """\
services:
  web:
    image: "${{BUILDONCE_IMAGE_WEB}}"
    ports: ["{port}:80"]
    environment: {{KEY: "${{KEY:?}}"}}
    env_file: missing.env
    volumes: [./web:/web]
  jobs: {{image: "${{BUILDONCE_IMAGE_JOBS}}"}}
"""


@pytest.mark.nightly
def test_two_environments_that_need_one_port_of_one_host(repo: Monorepo) -> None:
    """Before anything runs, and beside other problems; with its remedy carried out, it is gone."""
    there = repo.env["DOCKER_HOST"]
    table = (repo.root / "pyproject.toml").read_text()
    for name, host in {"first": "", "second": there}.items():
        table += (
            f'[tool.buildonce.environments.{name}]\nengine = "compose"\nhost = "{host}"\n'
            f'file = "compose.yaml"\nproject = "{name}-{repo.namespace}"\n'
        )
    compose = TWO_ON_ONE_HOST.format(port="54321")
    repo.commit("One port", {"compose.yaml": compose, "pyproject.toml": table})
    problems = {
        one["subject"]: one
        for one in repo.inv("doctor", "--json", expect=3).json()
        if one["level"] == "problem" and one["subject"].startswith("ports")
    }
    assert set(problems) == {"ports of first and second"}
    found = problems["ports of first and second"]
    assert "web would publish port 54321/tcp in both" in found["found"]
    published, setting = "${PORT_WEB_80:-54321}", "environments.second.variables"
    assert f'publish "{published}:80"' in found["remedy"]
    assert f'set tool.buildonce.{setting}.PORT_WEB_80 = "64321"' in found["remedy"]
    table += f'[tool.buildonce.{setting}]\nPORT_WEB_80 = "64321"\n'
    compose = TWO_ON_ONE_HOST.format(port=published)
    repo.commit("Two ports", {"compose.yaml": compose, "pyproject.toml": table})
    assert "ports of" not in repo.inv("doctor", expect=3).out
