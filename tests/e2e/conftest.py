"""The labs that end-to-end tests run in, and monorepos whose commits were built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import lab
from buildonce.refs import ImageRef
from tests.kit.checkpoint import Checkpoint
from tests.kit.deployed_monorepo import Front, opened
from tests.kit.docker_recorder import DockerRecorder
from tests.kit.monorepo import Make, Monorepo
from tests.kit.shop import Shop

SLOW = (
    *("workflow", "kubernetes_commands", "deploy", "compose", "deploy_swarm", "deploy_failures"),
    *("docs", "swarm", "ci_files", "swarm_endings", "beacon", "lab_kubernetes", "build"),
)
"""The files that take longest, which begin first: what begins last, all others wait for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow files."""
    names = [f"test_{name}" for name in SLOW]
    items.sort(
        key=lambda item: names.index(item.path.stem) if item.path.stem in names else len(names)
    )


@pytest.fixture(scope="session")
def running() -> lab.Lab:
    """A lab with an engine, a registry and base images."""
    return lab.up()


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
def docker(tmp_path: Path) -> DockerRecorder:
    """The engine's client, watched."""
    return DockerRecorder.create(tmp_path / "docker")


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    """Three hosts with an engine each, in one Swarm, and a registry between them."""
    state = tmp_path_factory.mktemp("hosts") / "lab"
    with lab.guarded(state):
        yield lab.up(hosts=3, swarm=True, state=state)


@pytest.fixture(scope="module")
def front(hosts: lab.Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with opened(hosts, tmp_path_factory.mktemp("front")) as front:
        yield front


@pytest.fixture(scope="session")
def shop(hosts: lab.Lab) -> Shop:
    """A maker of releases."""
    return Shop(ImageRef.parse(hosts.base_image))


@pytest.fixture(scope="module")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    """A Kubernetes of one node, with an engine to build for it and a registry between them.

    It ends with its file: a cluster that nobody uses takes a tenth of a core.
    """
    state = tmp_path_factory.mktemp("cluster") / "lab"
    with lab.guarded(state):
        yield lab.up(kubernetes=True, state=state)
