"""The lab that end-to-end tests run in, and monorepos to run `inv` in."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import lab
from buildonce.refs import ImageRef
from tests.e2e.checkpoint import Checkpoint
from tests.e2e.front import Front, opened
from tests.e2e.releases import Shop
from tests.e2e.scenario import figures, project, pytest_terminal_summary
from tests.e2e.support import NOBODYS_GIT, Monorepo, create

__all__ = ["figures", "project", "pytest_terminal_summary"]

Make = Callable[..., Monorepo]
Override = Callable[..., Path]


@dataclass(frozen=True)
class Docker:
    """A `docker` in front of the real one that writes down how it is called."""

    folder: Path

    @property
    def env(self) -> dict[str, str]:
        return {"PATH": f"{self.folder}:{os.environ['PATH']}"}

    def calls(self) -> list[str]:
        """The command lines so far."""
        log = self.folder / "calls"
        return log.read_text().splitlines() if log.exists() else []

    def builds(self) -> list[str]:
        """Those that built something."""
        calls = [call for call in self.calls() if "--print" not in call.split()]
        return [call for call in calls if "bake" in call.split() or "build" in call.split()]

    def before_a_build(self, script: str) -> None:
        """Have a line of shell run ahead of every `docker buildx bake`."""
        (self.folder / "before").write_text(script)


@pytest.fixture(scope="session")
def running() -> lab.Lab:
    return lab.up()


@pytest.fixture(scope="session")
def env(running: lab.Lab) -> Mapping[str, str]:
    """The environment of a machine with the lab, and with nothing of CI or of the developer."""
    ours = ("GITHUB_", "INVOKE_", "GIT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, **running.environ(), **NOBODYS_GIT, "NO_COLOR": "1"}


@pytest.fixture(scope="session")
def make(
    running: lab.Lab, env: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Make:
    """Make a monorepo of one commit, with images of its own in the lab's registry."""

    def new(**options: str) -> Monorepo:
        namespace = f"t{secrets.token_hex(4)}"
        folder = tmp_path_factory.mktemp(namespace)
        return create(folder, running.registry, namespace, env, **options)

    return new


@pytest.fixture
def repo(make: Make) -> Monorepo:
    """A monorepo of one commit that was not built yet."""
    return make()


@pytest.fixture(scope="session")
def built_once(make: Make) -> Checkpoint:
    repo = make()
    repo.inv("build", "--sha")
    return Checkpoint.of(repo)


@pytest.fixture(scope="session")
def released_once(make: Make) -> Checkpoint:
    repo = make()
    repo.inv("build", "--sha")
    repo.inv("promote", "staging")
    repo.inv("promote", "production")
    return Checkpoint.of(repo)


@pytest.fixture(scope="session")
def updated_once(make: Make) -> Checkpoint:
    repo = make()
    repo.inv("build", "--sha")
    repo.inv("promote", "staging")
    repo.inv("promote", "production")
    repo.commit("Change", {"web/web.txt": "changed\n"})
    repo.inv("build", "--sha")
    return Checkpoint.of(repo)


@pytest.fixture
def built(built_once: Checkpoint) -> Iterator[Monorepo]:
    """A monorepo whose commit is built and promoted nowhere; shared, and put back afterwards."""
    yield built_once.repo
    built_once.restore()


@pytest.fixture
def released(released_once: Checkpoint) -> Iterator[Monorepo]:
    """A monorepo whose commit runs in both environments; shared, and put back afterwards."""
    yield released_once.repo
    released_once.restore()


@pytest.fixture
def updated(updated_once: Checkpoint) -> Iterator[Monorepo]:
    """One whose environments run HEAD~1, with HEAD built; shared, and put back afterwards."""
    yield updated_once.repo
    updated_once.restore()


@pytest.fixture
def override(env: Mapping[str, str], tmp_path: Path) -> Override:
    """Make a file for `inv -f` of the machine's own, with these settings beside it."""

    def write(**settings: object) -> Path:
        machines = json.loads(Path(env["INVOKE_RUNTIME_CONFIG"]).read_text())["buildonce"]
        path = tmp_path / "override.json"
        path.write_text(json.dumps({"buildonce": {**machines, **settings}}))
        return path

    return write


@pytest.fixture
def nowhere(override: Override) -> Mapping[str, str]:
    """An environment in which nobody answers at the registry's address."""
    return {"INVOKE_RUNTIME_CONFIG": str(override(registry="127.0.0.1:9"))}


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    """The engine's client, watched."""
    real = shutil.which("docker")
    assert real is not None
    folder = tmp_path / "docker"
    folder.mkdir()
    here, program = shlex.quote(str(folder)), folder / "docker"
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$*" >>{here}/calls\n'
        f'case "$*" in *bake*) [ ! -e {here}/before ] || . {here}/before ;; esac\n'
        f'exec {shlex.quote(real)} "$@"\n'
    )
    program.chmod(0o755)
    return Docker(folder)


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    """Three hosts with an engine each, in one Swarm, and a registry between them."""
    state = tmp_path_factory.mktemp("hosts") / "lab"
    yield lab.up(hosts=3, swarm=True, state=state)
    lab.down(state)


@pytest.fixture(scope="module")
def front(hosts: lab.Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with opened(hosts, tmp_path_factory.mktemp("front")) as front:
        yield front


@pytest.fixture(scope="session")
def shop(hosts: lab.Lab) -> Shop:
    """A maker of releases."""
    return Shop(ImageRef.parse(hosts.base_image))
