"""From a repository that never heard of the library to a verified production."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import lab
from tests.kit.foreign import COMPOSE_APP, KUBERNETES, SERVICES, UV_WORKSPACE, VOTING_APP
from tests.kit.lab_docker import docker
from tests.kit.monorepo import Monorepo
from tests.kit.nightly import nightly
from tests.kit.processes import free_port

LAYOUTS = {
    "compose": (COMPOSE_APP, ("web", "report-mailer")),
    "uv": (UV_WORKSPACE, ("billing_api", "thumbs")),
    "kubernetes": (KUBERNETES, ("frontend", "cart")),
    "services": (SERVICES, ("mail", "orders", "users", "web")),
    "voting": (VOTING_APP, ("vote",)),
}
Found = Callable[[str], Monorepo]


@pytest.fixture
def found(running: lab.Lab, env: Mapping[str, str], tmp_path: Path) -> Found:
    """Make a repository of a layout, on a machine whose registry is the lab's."""

    def make(layout: str) -> Monorepo:
        files, services = LAYOUTS[layout]
        namespace = f"found-{secrets.token_hex(4)}"
        machine = json.loads(running.overrides())
        machine["buildonce"]["registry"] = f"{running.registry}/{namespace}"
        (tmp_path / "machine.json").write_text(json.dumps(machine))
        repo = Monorepo(
            root=tmp_path / "clone", origin=tmp_path / "origin.git", registry=running.registry,
            namespace=namespace, services=services,
            env={**env, "INVOKE_RUNTIME_CONFIG": str(tmp_path / "machine.json")},
        )  # fmt: skip
        repo.begin(files)
        return repo

    return make


def propose(repo: Monorepo, *options: str) -> str:
    """Run `python -m buildonce init` as a person does where there is no tasks.py yet."""
    done = subprocess.run(
        [sys.executable, "-m", "buildonce", "init", *options],
        cwd=repo.root, env={**repo.env}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


UNCHANGED = ("compose", nightly("uv"), "kubernetes")


@pytest.mark.parametrize("layout", UNCHANGED)
def test_the_proposal_is_built_and_verified_unchanged(found: Found, layout: str) -> None:
    """What is written is committed as it stands; no command after it fails."""
    repo = found(layout)
    propose(repo, "--yes")
    repo.commit("Release with buildonce")
    repo.inv("build", "--sha", "--dry-run")
    repo.inv("build", "--sha")
    repo.inv("promote", "staging")
    repo.inv("promote", "production")
    repo.inv("verify")
    assert set(repo.digests("production")) == set(repo.services)
    assert repo.digests("production") == repo.digests(repo.sha())


def test_nothing_is_written_unasked(found: Found) -> None:
    """Without a terminal to ask at, and without --yes, the proposal is shown and that is all."""
    repo = found("compose")
    shown = propose(repo)
    assert "[tool.buildonce.services.web]" in shown
    assert "left to decide" in shown
    assert "nothing was written" in shown
    assert repo.git("status", "--porcelain") == ""


def test_what_is_there_stays(found: Found) -> None:
    """A pyproject.toml keeps every line that it has; a tasks.py is not touched."""
    repo = found("uv")
    before = (repo.root / "pyproject.toml").read_text()
    (repo.root / "tasks.py").write_text("# ours\n")
    propose(repo, "--yes")
    assert (repo.root / "pyproject.toml").read_text().startswith(before)
    assert (repo.root / "tasks.py").read_text() == "# ours\n"


def test_a_second_proposal_is_refused(found: Found) -> None:
    """`inv init` says that the repository is set up, and what to run."""
    repo = found("uv")
    propose(repo, "--yes")
    assert "inv doctor" in repo.inv("init", expect=3).err


def change(path: Path, *replacements: tuple[str, str]) -> None:
    """Edit a file as its reader is told to; each text must be there."""
    text = path.read_text()
    for before, after in replacements:
        assert before in text, f"{path} has no {before}"
        text = text.replace(before, after)
    path.write_text(text)


@pytest.mark.nightly
def test_a_base_image_of_the_repository(found: Found, running: lab.Lab) -> None:
    """`inv doctor` names it until it is pushed; then every service is built from it."""
    repo = found("services")
    propose(repo, "--yes")
    base = f"{repo.registry}/{repo.namespace}/base:1"
    proposed = '"registry.example.com/clone/base:1"'
    change(repo.root / "pyproject.toml", (proposed, f'"{base}"'))
    repo.commit("Release with buildonce")
    missing = repo.inv("doctor", expect=3)
    assert f"✗ image acme/base:latest: {base} is not in its registry" in missing.out
    docker(running, "pull", running.base_image)
    docker(running, "tag", running.base_image, base)
    docker(running, "push", base)
    assert "✗" not in repo.inv("doctor").out
    repo.inv("build", "--sha")
    assert set(repo.digests(repo.sha())) == set(repo.services)


@pytest.mark.nightly
def test_a_compose_application_with_one_failed_command(found: Found, running: lab.Lab) -> None:
    """Bind mounts, files of variables, a third party's image: one look by `inv doctor`, carried
    out, and both environments run on one host."""
    repo = found("voting")
    docker(running, "pull", running.base_image)
    filled = {"port": free_port(), "image": running.base_image}
    change_all(repo, filled)
    (repo.root / "healthchecks/store.sh").chmod(0o755)
    propose(repo, "--yes")
    table, release = repo.root / "pyproject.toml", repo.root / "compose.release.yaml"
    change(
        table, ("# engine", "engine"), ("# file", "file"), ("# project", "project"),
        ('"clone-', f'"{repo.namespace}-'),
    )  # fmt: skip
    repo.commit("Release with buildonce")
    problems = [
        one["remedy"]
        for one in repo.inv("doctor", "--json", expect=3).json()
        if one["level"] == "problem"
    ]
    where = "set it in the environment of this command, or under [tool.buildonce.environments."
    port = (
        f'in compose.release.yaml, publish "${{PORT_VOTE_80:-{filled["port"]}}}:80" of vote, and '
        "set tool.buildonce.environments.production.variables.PORT_VOTE_80 = "
    )
    assert all(one.startswith(where) for one in problems[:2])
    assert problems[2].startswith(port)
    change(release, (f"{filled['port']}:80", f'"${{PORT_VOTE_80:-{filled["port"]}}}:80"'))
    with table.open("a") as file:
        other = problems[2].rpartition(" = ")[2]
        file.write(f"[tool.buildonce.environments.production.variables]\nPORT_VOTE_80 = {other}\n")
    repo.commit("Two ports")
    env = {"TOKEN": "t"}
    try:
        repo.inv("doctor", env=env)
        repo.inv("build", "--sha")
        repo.inv("promote", "staging", env=env)
        repo.inv("promote", "production", env=env)
        repo.inv("verify", env=env)
    finally:
        for environment in ("staging", "production"):
            project = f"{repo.namespace}-{environment}"
            docker(running, "compose", "--project-name", project, "down", "--volumes")


def change_all(repo: Monorepo, filled: Mapping[str, object]) -> None:
    """Fill in what the layout leaves open."""
    compose = repo.root / "docker-compose.yml"
    compose.write_text(compose.read_text().format(**filled))
