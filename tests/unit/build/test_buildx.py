"""A bake by Buildx: what is read of it, and how it fails."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from python_on_whales import DockerClient
from python_on_whales.client_config import ClientNotFoundError
from python_on_whales.exceptions import DockerException

from buildonce.build.buildx import Buildx
from buildonce.build.policy import VARIABLE
from buildonce.errors import PreconditionError, UnavailableError
from tests.kit.samples import digest

DEFINITION = {"target": {"web": {"tags": ["r.example/web:1"]}, "jobs": {}, "left": {}}}
BUILT = {"web": {"containerimage.digest": digest("web")}, "jobs": {}}
FAILED = DockerException(["docker", "buildx", "bake"], 17)


@dataclass
class Client:
    """A docker client whose bake says some lines, and ends well or with an error."""

    ends: Exception | None = None
    server: object = "28.5"
    asked: Exception | None = None

    @property
    def buildx(self) -> SimpleNamespace:
        return SimpleNamespace(bake=self._bake)

    def version(self) -> SimpleNamespace:
        if self.asked:
            raise self.asked
        return SimpleNamespace(server=self.server)

    def _bake(self, targets: list[str], **given: Any) -> Iterator[str]:
        assert json.loads(Path(given["files"]).read_text()) == DEFINITION
        policy = Path(given["variables"][VARIABLE])
        assert json.loads(policy.read_text()) == {"rules": []}
        assert given["stream_logs"] is True
        yield "#1 token hunter22\n"
        yield "#2 exit code: 1\n"
        yield "\n"
        if self.ends:
            raise self.ends
        given["metadata_file"].write_text(json.dumps(BUILT))


def bake(client: Client, log: list[str]) -> dict[str, Any]:
    buildx = Buildx(cast("DockerClient", client))
    return dict(buildx.bake(DEFINITION, {"rules": []}, log.append, ["hunter22"]))


def test_what_was_pushed_is_what_buildx_says() -> None:
    """A target without a digest was not pushed; no line of the log has a secret in it."""
    log: list[str] = []
    assert bake(Client(), log) == {"web": digest("web")}
    assert log == ["#1 token ***", "#2 exit code: 1", ""]


@pytest.mark.parametrize(
    ("client", "kind", "said"),
    [
        (
            Client(FAILED),
            PreconditionError,
            "the build failed (docker buildx bake ended with 17): #2 exit code: 1",
        ),
        (
            Client(FAILED, server=None),
            UnavailableError,
            "the engine does not answer: #2 exit code: 1",
        ),
        (
            Client(FAILED, asked=DockerException(["docker", "version"], 1)),
            UnavailableError,
            "the engine does not answer: #2 exit code: 1",
        ),
        (
            Client(ClientNotFoundError()),
            UnavailableError,
            "there is no docker client on this machine",
        ),
    ],
    ids=["build", "no engine", "no answer", "no client"],
)
def test_a_build_that_fails_says_why(client: Client, kind: type[Exception], said: str) -> None:
    """The log's last words are told, and whether it was the build or the machine."""
    with pytest.raises(kind) as failure:
        bake(client, [])
    assert str(failure.value) == said


def test_nothing_prints_the_variables_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The debugging of python-on-whales would: it is switched off."""
    monkeypatch.setenv("PYTHON_ON_WHALES_DEBUG", "1")
    Buildx(cast("DockerClient", Client()))
    assert "PYTHON_ON_WHALES_DEBUG" not in os.environ
