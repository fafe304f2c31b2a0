"""Deploys on a Swarm that fail: every task runs the release before."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.kit.deployed_monorepo import Front
from tests.kit.figures import Figures
from tests.kit.monorepo import Monorepo


@pytest.fixture(scope="module")
def cluster(front: Front) -> Iterator[Monorepo]:
    """A release that runs on a Swarm too."""
    front.release()
    front.repo.inv("promote", "cluster")
    yield front.repo
    manager = replace(front.place.target, host=front.hosts.hosts["host1"])
    replace(front.place, target=manager).docker("stack", "rm", f"{manager.project}-stack")


@pytest.mark.parametrize(
    ("modes", "words"),
    [
        ({"web": "sick"}, "stopped as unhealthy"),
        ({"jobs": "crash"}, "non-zero exit (3)"),
        ({"jobs": "stuck"}, "non-zero exit (1)"),
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
