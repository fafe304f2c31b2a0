"""`inv doctor` on a machine whose docker client has no engine, but for what a stand-in says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from buildonce.commands.doctor import examine
from buildonce.errors import PreconditionError
from tests.kit.docker_program import docker_program
from tests.kit.in_process import app, heard
from tests.kit.monorepo import NO_ENGINE, Monorepo
from tests.kit.releases import push

ENGINE = {
    "version --format": "28.5.2",
    "buildx version": "github.com/docker/buildx v0.29.1 a32761a",
    "buildx inspect": "Name: default\nDriver: docker-container",
    "info --format": "engine-1 ",
    "ps --format": "",
    "inspect --type": "[]",
}
NOTHING: Mapping[str, str] = {}
Machine = Callable[..., None]


@pytest.fixture
def machine(project: Monorepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Give this machine an engine, as far as `ENGINE` and what is given say so."""
    real = shutil.which("docker") or ""

    def make(answers: Mapping[str, str] = NOTHING) -> None:
        docker_program(tmp_path, monkeypatch, {**answers, **ENGINE, **answers}, real)

    make()
    project.write({f"{one}/Dockerfile": f"FROM scratch\nCOPY {one} /\n" for one in ("web", "jobs")})
    project.commit("From nothing")
    return make


def settings(**environments: Mapping[str, object]) -> dict[str, Any]:
    """Settings with these environments, each on Compose unless it says otherwise."""
    services = {name: {"inputs": [name]} for name in ("web", "jobs")}
    compose = {"engine": "compose", "file": "compose.yaml"}
    return {
        "services": services,
        "environments": {
            name: given if "none" in given.values() else {**compose, "project": name, **given}
            for name, given in environments.items()
        },
    }


def problems(
    repo: Monorepo, capsys: pytest.CaptureFixture[str], **given: Any
) -> dict[str, list[str]]:
    """What is said of each subject that is not in order."""
    found: dict[str, list[str]] = {}
    with suppress(PreconditionError):
        examine(app(repo, **given), as_json=True)
    for one in json.loads(capsys.readouterr().out):
        if one["level"] != "ok":
            assert one["cost"]
            assert one["remedy"]
            found.setdefault(one["subject"], []).append(one["found"])
    return found


COMPOSE = """\
services:
  web: {image: "${BUILDONCE_IMAGE_WEB}", ports: ["8080:80"]}
  jobs: {image: "${BUILDONCE_IMAGE_JOBS}"}
"""


def test_what_is_in_order_is_shown(project: Monorepo, machine: Machine) -> None:
    """Everything that a release needs has its row, and nothing is left to correct."""
    project.commit("Deploy", {"compose.yaml": COMPOSE})
    there = app(project, **settings(shop={}))
    examine(there)
    rows = [line for line in heard(there).splitlines() if line.startswith("✓")]
    assert [line[1:].split("  ")[1].strip() for line in rows] == [
        "configuration", "git", "clone", "ledger", "registry", "sources", "engine", "Buildx",
        "builder", "Compose", "host of shop", "files of shop", "ports",
    ]  # fmt: skip
    assert "✗" not in heard(there)
    assert "!" not in heard(there)


def test_where_nothing_is_deployed_no_compose_is_needed(
    project: Monorepo, machine: Machine
) -> None:
    """An environment that only has pointers has no host, no files and no ports."""
    there = app(project, **settings(shop={"engine": "none"}))
    examine(there)
    assert "Compose" not in heard(there)
    assert "of shop" not in heard(there)


def test_what_is_wrong_is_told_with_its_cost_and_remedy(
    project: Monorepo, machine: Machine
) -> None:
    """A problem fails the command; a warning is told as well, and does not."""
    project.write({"web/web.txt": "changed\n"})
    there = app(project, **settings())
    examine(there)
    assert "\n! git: the folder differs from HEAD\n  impact: inv build" in heard(there)
    assert "\n  → git add and git commit" in heard(there)
    project.refuse_pushes()
    project.git("config", "remote.origin.pushurl", "/nowhere.git")
    there = app(project, **settings())
    with pytest.raises(PreconditionError, match=r"^problems found: ledger$"):
        examine(there)
    assert "✗ ledger: origin refuses a push: " in heard(there)


def test_a_configuration_that_is_wrong_is_told_once(project: Monorepo, machine: Machine) -> None:
    """Every look needs it, and one row says so."""
    there = app(project, sha_length=1)
    with pytest.raises(PreconditionError, match=r"^problems found: configuration$"):
        examine(there)


def test_a_clone_of_its_own_and_a_shallow_one_are_told(
    project: Monorepo, machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a remote the ledger is local; a shallow clone sees less of the history."""
    project.commit("Another")
    shallow = project.clone(tmp_path / "shallow", "--depth=1")
    assert set(problems(shallow, capsys, **settings())) == {"clone"}
    project.git("remote", "remove", "origin")
    (said,) = problems(project, capsys, **settings())["ledger"]
    assert said == "local branch release-ledger; no remote 'origin'"


def test_a_registry_that_does_not_answer_is_told_once(
    project: Monorepo, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both services' images have the same obstacle."""
    found = problems(project, capsys, **settings(), registry="127.0.0.1:9")
    assert len(found["registry"]) == 1
    assert "127.0.0.1:9" in found["registry"][0]


def test_images_from_outside_have_to_be_there(
    project: Monorepo, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that its registry has not is a problem for the services that are made from it."""
    push(project, "web", project.git("rev-parse", "HEAD"))
    known = f"{project.registry}/{project.namespace}/web:{project.sha()}"
    for image, missing in ((known, False), (f"{known}x", True)):
        project.commit("From an image", {"web/Dockerfile": f"FROM {image}\nCOPY web /\n"})
        found = problems(project, capsys, **settings(), bases={"nothing:1": "nothing:2"})
        assert found["bases"] == ["no Dockerfile uses 'nothing:1'"]
        assert (f"{image} is not in its registry" in found[f"image {image}"]) is missing
    project.commit("Again", {"web/Dockerfile": f"FROM {known}\nCOPY web /\n"})
    there = app(project, **settings())
    examine(there)
    assert "1 taken from outside: their registries have them" in heard(there)


BROKEN = """\
services:
  web:
    image: ${BUILDONCE_IMAGE_WEB}
    environment: {KEY: "${KEY}", LEVEL: "${LEVEL}", WORD: "${WORD}"}
    volumes: ["./web:/web"]
  jobs: {build: jobs}
"""


def test_everything_that_is_wrong_with_files_is_found_at_once(
    project: Monorepo, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    """Variables are among it, as far as neither a setting nor a committed file has a value."""
    project.commit("Break it", {"compose.yaml": BROKEN, ".env": "LEVEL=info\n"})
    shop = settings(shop={"variables": {"WORD": "x"}})
    assert problems(project, capsys, **shop)["files of shop"] == [
        "compose.yaml: jobs would be built when it is deployed: it has `build`",
        "compose.yaml: web mounts ./web, a path of the repository: hosts do not have it",
        "shop needs a value for: KEY",
    ]
    shop = settings(shop={"variables": {"WORD": "x", "KEY": "y"}})
    assert len(problems(project, capsys, **shop)["files of shop"]) == 2


EXTERNAL = "networks: {default: {external: true, name: nobody-made-it}}\n"
NAMED = COMPOSE.replace("ports:", "container_name: shop, ports:")


def test_files_that_travel_are_looked_at_further(
    project: Monorepo, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    """A variable without a value is told with its place; the host is not asked as long as it is."""
    text = COMPOSE.replace("8080:80", "${PORT}:80")
    project.commit("Deploy", {"compose.yaml": text + EXTERNAL})
    (said,) = problems(project, capsys, **settings(shop={}))["files of shop"]
    assert said.startswith("shop needs a value for:\n  compose.yaml:2: PORT")


def test_what_a_host_lacks_is_found(
    project: Monorepo, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    """An external network that nobody made, and a container's name that another one has."""
    machine({"ps --all": "shop\tother"})
    project.commit("Deploy", {"compose.yaml": NAMED + EXTERNAL})
    shop, stack = settings(shop={}), settings(shop={"engine": "swarm"})
    network = "shop (the local engine) lacks the external network nobody-made-it"
    name = "the container name shop, which web has, is taken by a container of the project other"
    assert problems(project, capsys, **shop)["files of shop"] == [
        network, f"shop (the local engine): {name}",
    ]  # fmt: skip
    assert problems(project, capsys, **stack)["files of shop"] == [network]


def test_a_host_that_does_not_answer_is_told_by_itself(
    project: Monorepo, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it lacks cannot be told then: its files are in order."""
    program = Path(shutil.which("docker") or "")
    script = program.read_text()
    silent = f'case "$*" in *" compose "*) ;; *{NO_ENGINE}*) exit 1;; esac\ncase '
    program.write_text(script.replace("case ", silent))
    project.commit("Deploy", {"compose.yaml": COMPOSE + EXTERNAL})
    far = settings(far={"host": NO_ENGINE}, none={"engine": "none"})
    assert set(problems(project, capsys, **far)) == {"host of far"}


def test_a_cluster_that_cannot_be_reached_is_told(
    project: Monorepo, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    """By where it is deployed to, with what is wrong with the files, and by where it is seen."""
    project.commit("Deploy", {"k8s.yaml": "kind: Namespace\napiVersion: v1\n"})
    cluster = {"engine": "kubernetes", "context": "nowhere", "namespace": "shop"}
    given = settings(deployed={**cluster, "file": "k8s.yaml"})
    given["environments"]["seen"] = cluster
    found = problems(project, capsys, **given)
    assert set(found) == {"host of deployed", "files of deployed", "containers of seen"}
    assert any("nowhere" in one for one in found["containers of seen"])
    assert any("k8s.yaml" in one for one in found["files of deployed"])


def test_a_port_that_is_taken_is_found(
    project: Monorepo, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    """By another container; a stack's ports are its manager's to tell."""
    project.commit("Publish", {"compose.yaml": COMPOSE})
    machine({"ps --format": "holder\t\t0.0.0.0:8080->80/tcp"})
    found = problems(project, capsys, **settings(shop={}))
    taken = "port 8080/tcp, which web publishes, is taken by the container holder"
    assert found == {"ports of shop": [taken]}
    several = COMPOSE.replace('"]}', '"], deploy: {replicas: 2}}').replace("8080", "8081")
    project.commit("Publish twice", {"compose.yaml": several})
    (said,) = problems(project, capsys, **settings(shop={}))["ports of shop"]
    assert said.startswith("port 8081/tcp, which web publishes, is taken by")
    project.commit("Publish", {"compose.yaml": COMPOSE})
    assert problems(project, capsys, **settings(shop={"engine": "swarm"})) == {}


def test_two_environments_that_need_one_port_of_one_host(
    project: Monorepo, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    """An engine is known by its id; a clash that is told is not told again as a port taken."""
    files = {
        f"{name}.yaml": f"services: {{{name}: {{image: x, ports: ['{port}:80']}}}}\n"
        for name, port in (("web", 8080), ("api", 8080), ("jobs", 8081))
    }
    project.commit("Publish", files)
    machine({"ps --format": "first-web-1\tfirst\t0.0.0.0:8080-8081->80/tcp"})
    two = settings(
        first={"file": "web.yaml"},
        second={"host": NO_ENGINE, "file": "api.yaml"},
        third={"file": "jobs.yaml"},
    )
    found = problems(project, capsys, **two)
    (said,) = found["ports of first and second"]
    assert said == (
        "first and second run on one host (the local engine), and web of the one and api of the "
        "other would publish port 8080/tcp in both"
    )
    assert "ports of first" not in found
    assert "ports of second" not in found
    (said,) = found["ports of third"]
    assert said.endswith("which jobs publishes, is taken by the container first-web-1")
