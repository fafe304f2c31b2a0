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
from tests.kit.foreign import COMPOSE_APP, KUBERNETES, UV_WORKSPACE
from tests.kit.monorepo import Monorepo

LAYOUTS = {
    "compose": (COMPOSE_APP, ("web", "report-mailer")),
    "uv": (UV_WORKSPACE, ("billing_api", "thumbs")),
    "kubernetes": (KUBERNETES, ("frontend", "cart")),
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


@pytest.mark.parametrize("layout", LAYOUTS)
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
