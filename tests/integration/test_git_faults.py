"""What the ledger's remote is asked and answers, broken off, held up, refused: no false success.

A sample of fixed size by default; far more where BUILDONCE_FAULTS is "all" (`nox -s faults`).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from unittest import mock

import pytest

from buildonce.commands.recover import resume
from buildonce.errors import BuildonceError
from buildonce.git import process
from tests.kit import git_daemon
from tests.kit.connection_proxy import FAULTS, STALL, ConnectionProxy, Fault, halve, late
from tests.kit.figures import Figures
from tests.kit.in_process import app
from tests.kit.ledger_log import facts
from tests.kit.monorepo import Monorepo
from tests.kit.nightly import IN_FULL
from tests.kit.scenes import Case, Scene, cases, failure, running, scenes

SAMPLE, MANY, SEED = 6, 80, 1

GIT_FAULTS: Mapping[str, Fault] = {
    **FAULTS,
    "halve": halve,
    "late": late,
    "refuse": git_daemon.refuse,
}
HEALING = {"reset", "cut", "halve"}
"""What one time of is no failure."""

UNAVAILABLE, BROKEN, DIFFERENCE = 6, 8, 9


def must_heal(case: Case) -> bool:
    return case.fault == "late" or (case.fault in HEALING and not case.lasting)


@dataclass(frozen=True)
class Stage:
    """A scene for each command, with the proxy between the command and the ledger's remote."""

    proxy: ConnectionProxy
    repo: Monorepo
    scenes: Mapping[str, Scene]

    def events(self, command: str) -> int:
        """How much a command asks and hears where nothing is spoilt."""
        self.scenes[command].set()
        with self.proxy.spoiling(None, lasting=False):
            failure(command, self.repo)
        return self.proxy.events

    def run(self, case: Case) -> BuildonceError | None:
        """Run a command with a fault; one that is held up does not wait that long."""
        self.scenes[case.command].set()
        patience = STALL / 2 if case.fault == "stall" else process.REMOTE
        with (
            mock.patch.object(process, "REMOTE", patience),
            self.proxy.spoiling(GIT_FAULTS[case.fault], case.first, lasting=case.lasting),
        ):
            return failure(case.command, self.repo)

    def problems(self, case: Case, error: BuildonceError | None) -> list[str]:
        """What is wrong after a command that ended so."""
        drifted = case.command == "verify a drift"
        found = []
        if error is None and drifted:
            found.append("a false success")
        if error and not (drifted and error.exit_code == DIFFERENCE):
            found += self._problems_of(case, error)
        if case.command.startswith("verify"):
            return found
        return found + (self._not_made_good() if error else self._false_success(case))

    def _problems_of(self, case: Case, error: BuildonceError) -> list[str]:
        found = []
        if must_heal(case):
            found.append("it did not heal")
        if error.exit_code not in {UNAVAILABLE, BROKEN}:
            found.append(f"exit code {error.exit_code}")
        if "origin" not in error.message:
            found.append("the remote is not named")
        return found

    def _false_success(self, case: Case) -> list[str]:
        events = [fact["Event"] for fact in facts(self.repo)]
        twice = [one for one, next_one in pairwise(events) if one == next_one]
        true = running(self.repo) == self.scenes[case.command].goal
        return ([] if true else ["a false success"]) + [f"{one} twice" for one in twice]

    def _not_made_good(self) -> list[str]:
        resume(app(self.repo), "staging")
        return [] if running(self.repo) else ["it cannot be resumed"]


@pytest.fixture
def stage(project: Monorepo) -> Iterator[Stage]:
    with (
        git_daemon.serve(project.origin.parent) as daemon,
        ConnectionProxy.before(daemon, whole=True) as proxy,
    ):
        address = proxy.address.replace("tcp://", "git://")
        project.git("remote", "set-url", "origin", f"{address}/{project.origin.name}")
        yield Stage(proxy, project, scenes(project))


def _cases(stage: Stage) -> list[Case]:
    everything = cases(GIT_FAULTS, stage.events)
    size = MANY if IN_FULL else SAMPLE
    return random.Random(SEED).sample(everything, min(size, len(everything)))


def test_no_fault_of_the_remote_makes_a_false_success(stage: Stage, figures: Figures) -> None:
    """What succeeds is true, what passes by heals, the rest names the remote and can be resumed."""
    outcomes: Counter[str] = Counter()
    problems: dict[Case, list[str]] = {}
    chosen = _cases(stage)
    for case in chosen:
        error = stage.run(case)
        code = error.exit_code if error else 0
        outcomes[f"exit {code}, {'lasting' if case.lasting else 'once'}"] += 1
        assert stage.proxy.spoilt
        if found := stage.problems(case, error):
            problems[case] = [*found, f"exit {code}", error.message if error else ""]
    figures("faults of the git remote", cases=len(chosen), **outcomes)
    assert problems == {}
