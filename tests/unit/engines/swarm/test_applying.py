"""Swarm's answer to two changes of one service at once."""

import os
from pathlib import Path

import pytest

from buildonce.engines.base import Deployment, Target
from buildonce.engines.definition import Definition
from buildonce.engines.docker import Docker, Refused
from buildonce.engines.swarm import applying
from tests.kit.samples import files, revision

pytestmark = [
    pytest.mark.stand_in,
    pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script"),
]

NETWORK = "failed to create service shop_web: network shop_default not found"
CONFLICT = "rpc error: code = Unknown desc = update out of sequence"


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` whose `stack deploy` fails as often as `failures` has lines, and its calls."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    program = tmp_path / "docker"
    program.write_text(
        "#!/bin/sh\n"
        f"cd {tmp_path}\n"
        'case "$*" in stack*) echo "$*" >>calls ;; *) exit 0 ;; esac\n'
        'line=$(sed -n "$(wc -l <calls)p" failures)\n'
        '[ -z "$line" ] || { echo "$line" >&2; exit 1; }\n'
    )
    program.chmod(0o755)
    return tmp_path


def deploy(folder: Path, *failures: str) -> int:
    """Deploy a stack against such failures, and count the attempts."""
    (folder / "failures").write_text("".join(f"{line}\n" for line in failures))
    target = Target("production", "swarm", "", "shop")
    deployment = Deployment(target, revision(1), files(), {}, bundle="services: {}")
    try:
        applying.deploy(Definition(deployment, Docker(target)), "services: {}\n")
    finally:
        attempts = len((folder / "calls").read_text().splitlines())
        (folder / "calls").unlink()
    return attempts


def test_a_conflicting_change_is_made_again(calls: Path) -> None:
    """A manager that had another change first, or still removes a network, is asked again."""
    assert deploy(calls) == 1
    assert deploy(calls, CONFLICT) == 2
    assert deploy(calls, CONFLICT, NETWORK) == 3


def test_any_other_refusal_is_final(calls: Path) -> None:
    """What is refused for a reason of its own is not sent again."""
    with pytest.raises(Refused, match="no such image"):
        deploy(calls, "no such image", "")
    assert not (calls / "calls").exists()


def test_a_conflict_that_stays_is_the_error(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the end the refusal is passed on."""
    monkeypatch.setattr("buildonce.engines.swarm.applying._PATIENCE", 0.0)
    with pytest.raises(Refused, match="out of sequence"):
        deploy(calls, CONFLICT)
