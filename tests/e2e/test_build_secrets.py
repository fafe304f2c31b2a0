"""Build secrets and SSH: a RUN sees them, and nothing that is shown or kept does."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.monorepo import Monorepo

TOKEN, CONF = "canary-of-a-variable", "canary, of a file"
DOCKERFILE = """\
FROM python:3.13-slim
RUN --mount=type=secret,id=token --mount=type=secret,id=conf,target=/conf \\
    cat /run/secrets/token /conf && cat /run/secrets/token /conf | sha256sum >/seen
RUN --mount=type=ssh test -S "$SSH_AUTH_SOCK"
COPY web /app/
"""
SERVICE = "[tool.buildonce.services.web]\n"
SECRETS = """
[tool.buildonce.services.web.secrets]
token = {{ variable = "WEB_TOKEN" }}
conf = {{ file = "{folder}/a,conf" }}
"""
DEBUGGING = {"PYTHON_ON_WHALES_DEBUG": "1", "INVOKE_DEBUG": "1", "DOCKER_DEBUG": "1"}


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables of who has the token and an SSH agent, one that answers nothing."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "agent"))
        listening.listen()
        yield {"SSH_AUTH_SOCK": str(tmp_path / "agent"), "WEB_TOKEN": TOKEN}


@pytest.fixture
def secretive(repo: Monorepo, tmp_path: Path) -> Monorepo:
    """A monorepo whose service `web` is built with secrets and an SSH agent."""
    (tmp_path / "a,conf").write_text(CONF)
    table = (repo.root / "pyproject.toml").read_text()
    table = table.replace(SERVICE, f'{SERVICE}ssh = ["default"]\n')
    table += SECRETS.format(folder=tmp_path)
    repo.commit("Secrets", {"pyproject.toml": table, "web/Dockerfile": DOCKERFILE})
    return repo


def test_a_secret_reaches_its_run_and_nothing_else(
    secretive: Monorepo, agent: dict[str, str]
) -> None:
    """Neither output, image, layer cache nor ledger has it, with every debug switch on."""
    repo, env = secretive, {**agent, **DEBUGGING}
    outputs = [
        repo.inv("build", "--sha", "--dry-run", "--details", env=env),
        repo.inv("build", "--sha", "--service=web", env=env),
    ]
    seen = hashlib.sha256(f"{TOKEN}{CONF}".encode()).hexdigest()
    images = repo.images("web")
    assert (images.file(repo.sha(), "seen") or "").startswith(seen)
    documents = [images.require(tag).document for tag in (repo.sha(), "buildcache")]
    configs = [json.loads(images.blob(one["config"]["digest"])) for one in documents]
    ledger = repo.git("log", "--patch", "release-ledger", cwd=repo.origin)
    kept = [json.dumps([*documents, *configs]), ledger, *(one.out + one.err for one in outputs)]
    assert not [text for text in kept if TOKEN in text or CONF in text]
    assert "privileges" not in outputs[1].err


def test_the_value_of_a_secret_is_no_input(secretive: Monorepo, agent: dict[str, str]) -> None:
    """Another value rebuilds nothing; what is reused needs no value at all."""
    secretive.inv("build", "--sha", "--service=web", env=agent)
    secretive.commit("Words", {"README.md": "words\n"})
    said = secretive.inv("build", "--sha", "--service=web")
    assert "unchanged: web" in said.out


def test_missing_secrets_are_named_before_anything_is_built(secretive: Monorepo) -> None:
    """All of them at once, in a dry run and in a local build too."""
    for options in (["--sha"], ["--sha", "--dry-run"], []):
        said = secretive.inv("build", *options, expect=3, env={"SSH_AUTH_SOCK": ""}).err
        assert "service web: the variable WEB_TOKEN, for the secret token, is not set" in said
        assert "no SSH agent runs, for ssh default" in said


def test_a_local_build_has_them_too(secretive: Monorepo, agent: dict[str, str]) -> None:
    """`inv build` of the folder mounts the same secrets, and shows them as little."""
    said = secretive.inv("build", "--service=web", env={**agent, **DEBUGGING})
    assert "loaded" in said.out
    assert TOKEN not in said.out + said.err
