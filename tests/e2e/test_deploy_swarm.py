"""Deploys on a Swarm that fail: every task runs the release before."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.kit.deployed_monorepo import Front
from tests.kit.figures import Figures
from tests.kit.monorepo import Monorepo
from tests.kit.nightly import nightly
from tests.kit.waiting import wait_for


@pytest.fixture(scope="module")
def cluster(front: Front) -> Iterator[Monorepo]:
    """A release that runs on a Swarm too."""
    front.release()
    front.repo.inv("promote", "cluster")
    yield front.repo
    manager = replace(front.place.target, host=front.hosts.hosts["host1"])
    replace(front.place, target=manager).docker("stack", "rm", f"{manager.project}-stack")


@pytest.mark.parametrize(
    ("change", "check"),
    [
        nightly("--replicas=0", "count"),
        nightly("--replicas=1", "count"),
        nightly("--env-add=PLACE=x", "definition"),
    ],
)
def test_a_service_that_was_changed_by_hand_is_named_and_undone(
    front: Front, cluster: Monorepo, change: str, check: str
) -> None:
    """Scaled, to nothing as well, or given another variable: exit 9; a promotion mends it."""
    manager = replace(front.place.target, host=front.hosts.hosts["host1"])
    service = f"{manager.project}-stack_jobs"
    replace(front.place, target=manager).docker("service", "update", "--quiet", change, service)
    said = cluster.inv("verify", "--env", "cluster", "--json", expect=9)
    wrong = [row for row in said.json()["evidence"] if not row["holds"]]
    assert (check, "jobs") in {(row["check"], row["service"]) for row in wrong}
    release = cluster.record("environments/cluster.json")["release"]
    cluster.inv("promote", "cluster", "--sha", release)
    cluster.inv("verify", "--env", "cluster")


@pytest.mark.nightly
def test_the_place_before_is_named_until_it_is_empty(front: Front, cluster: Monorepo) -> None:
    """What still runs where an environment was fails `verify`; the remedy removes it."""
    file = cluster.root / "pyproject.toml"
    before = file.read_text()
    manager = replace(front.place.target, host=front.hosts.hosts["host1"])
    docker = replace(front.place, target=manager).docker
    file.write_text(before.replace('-stack"', '-moved"'))
    try:
        said = cluster.inv("verify", "--env", "cluster", expect=9).err
        assert "place at configuration: expected" in said
        cluster.inv("promote", "cluster", "--redeploy")
        said = cluster.inv("verify", "--env", "cluster", expect=9).err
        assert "1 of" in said
        _, found, command = said.partition("→ ")
        assert found
        subprocess.run(shlex.split(command), check=True, capture_output=True)
        cluster.inv("verify", "--env", "cluster")
    finally:
        file.write_text(before)
    networks = f"{manager.project}-stack_"
    wait_for(lambda: networks not in docker("network", "ls"), "the stack's network is gone")
    cluster.inv("promote", "cluster", "--redeploy")
    docker("stack", "rm", f"{manager.project}-moved")
    cluster.inv("verify", "--env", "cluster")


@pytest.mark.parametrize(
    ("modes", "words"),
    [
        ({"web": "sick"}, "stopped as unhealthy"),
        nightly({"jobs": "crash"}, "non-zero exit (3)"),
        nightly({"jobs": "stuck"}, "non-zero exit (1)"),
    ],
)
def test_a_release_that_fails_on_a_swarm_goes_back(
    front: Front, cluster: Monorepo, modes: dict[str, str], words: str, figures: Figures
) -> None:
    """Exit 7: every task runs the release before, whatever Swarm made of its own update."""
    running = cluster.record("environments/cluster.json")["release"]
    front.release(place="cluster", **modes)
    began = time.monotonic()
    done = cluster.inv("promote", "cluster", expect=7)
    figures(f"Swarm, {modes}", seconds_to_fail_and_be_restored=f"{time.monotonic() - began:.1f}")
    assert words in " ".join(done.err.split())
    assert cluster.record("environments/cluster.json")["release"] == running
    cluster.inv("verify", "--env", "cluster")
