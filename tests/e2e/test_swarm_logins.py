"""What the nodes of a Swarm pull with: a login of their own, where one is named."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import lab
from buildonce.engines.base import Target
from buildonce.errors import PreconditionError
from buildonce.refs import ImageRef
from lab.registry import Credentials
from tests.kit.hosts import Place

STACK = """\
services:
  jobs:
    image: ${BUILDONCE_IMAGE_JOBS:?}
    command: [sleep, infinity]
    stop_signal: SIGKILL
    deploy: {mode: global, endpoint_mode: dnsrr}
"""

NODES = Credentials(username="nodes", password=secrets.token_hex(8))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    """A Swarm of two hosts, and a registry that wants a login; it has one for nodes as well."""
    state = tmp_path_factory.mktemp("guarded") / "lab"
    with lab.guarded(state):
        made = lab.up(hosts=2, swarm=True, auth=True, state=state)
        with (made.state / "htpasswd").open("a") as file:
            file.write(NODES.htpasswd())
        yield made


@pytest.fixture
def place(guarded: lab.Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A stack on both hosts; this client has a login, and a folder has that of the nodes."""
    monkeypatch.setenv("DOCKER_CONFIG", str(guarded.docker_config))
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack/stack.yaml").write_text(STACK)
    (tmp_path / "nodes").mkdir()
    known = {"auths": {guarded.registry: {"auth": NODES.encode()}}}
    (tmp_path / "nodes/config.json").write_text(json.dumps(known))
    target = Target(
        "production", "swarm", guarded.hosts["host1"], f"shop{secrets.token_hex(3)}",
        pull_config=str(tmp_path / "nodes"),
    )  # fmt: skip
    made = Place(target, tmp_path / "stack/stack.yaml", "")
    yield made
    made.docker("stack", "rm", target.project)


@contextmanager
def only_nodes_may_pull(guarded: lab.Lab) -> Iterator[None]:
    """The login of this client has expired, as a job's token does."""
    logins = guarded.state / "htpasswd"
    before = logins.read_text()
    logins.write_text(NODES.htpasswd())
    yield
    logins.write_text(before)


@pytest.mark.nightly
def test_nodes_pull_with_their_own_login(guarded: lab.Lab, place: Place) -> None:
    """A node pulls after the login of whoever deployed has expired."""
    images = {"jobs": ImageRef.parse(guarded.store_image)}
    engine = place.engine(images)
    engine.check()
    engine.pull()
    with only_nodes_may_pull(guarded):
        engine.deploy(place.said.append)
    assert len(place.running(images)) == 2
    assert place.problems(images) == {}


def test_a_folder_without_a_login_is_refused(
    guarded: lab.Lab, place: Place, tmp_path: Path
) -> None:
    """Before anything is touched, with the command that makes one."""
    (tmp_path / "nodes/config.json").unlink()
    with pytest.raises(PreconditionError, match="no login that nodes could pull with") as error:
        place.deploy({"jobs": ImageRef.parse(guarded.store_image)})
    assert error.value.hint.startswith(f"docker --config {tmp_path / 'nodes'} login REGISTRY")
