"""Every request that a command sends to the registry, spoilt in every way: never a false success.

A sample of fixed size by default; all of them where BUILDONCE_FAULTS is "all" (`nox -s faults`).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from unittest import mock

import pytest
import urllib3

from buildonce.commands.recover import resume
from buildonce.registry import client, connections
from tests.kit.fault_proxy import ENDLESS, FAULTS, FaultProxy
from tests.kit.figures import Figures
from tests.kit.in_process import app
from tests.kit.monorepo import Monorepo
from tests.kit.nightly import IN_FULL
from tests.kit.scenes import Case, Scene, cases, failure, running, scenes

SAMPLE, SEED = 30, 1
REFUSALS = {4, 5, 6, 7, 8, 9}
"""Exit codes of what a fault may come to: never a traceback (1) nor the user's mistake (2, 3)."""


@dataclass(frozen=True)
class Stage:
    """A scene for each command, with the proxy between the command and the registry."""

    proxy: FaultProxy
    direct: Monorepo
    scenes: Mapping[str, Scene]

    def requests(self, command: str) -> int:
        """How many requests a command sends where nothing is spoilt."""
        self.scenes[command].set()
        with self.proxy.spoiling(None, 0, lasting=False):
            self._run(command)
            return self.proxy.requests

    def run(self, case: Case) -> int:
        """Run a command with a fault; return its exit code."""
        self.scenes[case.command].set()
        with self.proxy.spoiling(FAULTS[case.fault], case.first, lasting=case.lasting):
            return self._run(case.command)

    def problems(self, case: Case, code: int) -> list[str]:
        """What is wrong after a command that ended so."""
        if code not in {0, *REFUSALS}:
            return [f"exit code {code}"]
        if case.command == "verify a drift":
            return ["a false success"] if code == 0 else []
        if case.command == "verify":
            return []
        if code == 0 and running(self.direct) != self.scenes[case.command].goal:
            return ["a false success"]
        resume(app(self.scenes[case.command].repo), "staging")
        return [] if running(self.direct) else ["it cannot be resumed"]

    def _run(self, command: str) -> int:
        error = failure(command, self.scenes[command].repo)
        return error.exit_code if error else 0


@pytest.fixture
def impatient() -> Iterator[None]:
    """A client that waits for little."""
    with (
        mock.patch.object(connections, "_TIMEOUT", urllib3.Timeout(connect=2, read=0.3)),
        mock.patch.object(connections, "_BACKOFF", 0),
        mock.patch.object(connections, "PATIENCE", 0.01),
        mock.patch.object(connections, "LONGEST", 5.0),
        mock.patch.object(client, "LAG", (0.0,)),
    ):
        yield


@pytest.fixture
def stage(project: Monorepo, impatient: None) -> Iterator[Stage]:
    with FaultProxy.before(project.registry) as proxy:
        repo = replace(project, registry=proxy.address)
        yield Stage(proxy, project, scenes(repo))


def _cases(stage: Stage) -> list[Case]:
    """All cases, or a sample in which every command and every fault is."""
    everything = cases(FAULTS, stage.requests)
    if IN_FULL:
        return everything
    return random.Random(SEED).sample(everything, SAMPLE)


def test_no_fault_of_the_registry_makes_a_false_success(stage: Stage, figures: Figures) -> None:
    """What succeeds is true, what fails has a right exit code, and can be resumed."""
    outcomes: Counter[str] = Counter()
    problems: dict[Case, list[str]] = {}
    for case in _cases(stage):
        code = stage.run(case)
        assert stage.proxy.spoilt
        assert stage.proxy.largest < ENDLESS
        outcomes[f"exit {code}, {'lasting' if case.lasting else 'once'}"] += 1
        if found := stage.problems(case, code):
            problems[case] = [*found, f"exit {code}"]
    figures("faults of the registry", cases=sum(outcomes.values()), **outcomes)
    assert problems == {}
