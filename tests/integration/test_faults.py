"""Every request that a command sends to the registry, spoilt in every way: never a false success.

A sample of fixed size by default; all of them where BUILDONCE_FAULTS is "all" (`nox -s faults`).
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import pytest
import urllib3

from buildonce.commands.promote import promote
from buildonce.commands.recover import abort, resume
from buildonce.commands.rollback import rollback
from buildonce.commands.verify import verify
from buildonce.errors import BuildonceError
from buildonce.registry import client, connections
from tests.kit.fault_proxy import ENDLESS, FAULTS, FaultProxy
from tests.kit.figures import Figures
from tests.kit.in_process import app, leave_open
from tests.kit.ledger_log import is_open
from tests.kit.monorepo import LEDGER, Monorepo
from tests.kit.registry_wire import Stored
from tests.kit.releases import release

SAMPLE, SEED = 60, 1
REFUSALS = {4, 5, 6, 7, 8, 9}
"""Exit codes of what a fault may come to: never a traceback (1) nor the user's mistake (2, 3)."""

Command = Callable[[Any], None]

COMMANDS: Mapping[str, Command] = {
    "promote": lambda there: promote(there, "staging"),
    "rollback": lambda there: rollback(there, "staging", None, "back"),
    "resume": lambda there: resume(there, "staging"),
    "abort": lambda there: abort(there, "staging"),
    "verify": lambda there: verify(there, ["staging"], each=True, as_json=False),
    "verify a drift": lambda there: verify(there, ["staging"], each=True, as_json=False),
}


@dataclass(frozen=True)
class Scene:
    """The state that a command begins in, to come back to."""

    repo: Monorepo
    ledger: str
    pointers: Mapping[str, Stored]

    @classmethod
    def of(cls, repo: Monorepo) -> Scene:
        pointers = {name: repo.images(name).require("staging") for name in repo.services}
        return cls(repo, repo.ledger(), pointers)

    def set(self) -> None:
        self.repo.git("update-ref", f"refs/heads/{LEDGER}", self.ledger, cwd=self.repo.origin)
        self.repo.git("update-ref", "-d", f"refs/buildonce/{LEDGER}")
        for name, stored in self.pointers.items():
            self.repo.images(name).put("staging", stored)


@dataclass(frozen=True)
class Case:
    """One command with one fault."""

    command: str
    fault: str
    first: int
    lasting: bool


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
        if code == 0 and not self._is_whole():
            return ["a false success"]
        resume(app(self.scenes[case.command].repo), "staging")
        return [] if self._is_whole() else ["it cannot be resumed"]

    def _run(self, command: str) -> int:
        try:
            COMMANDS[command](app(self.scenes[command].repo))
        except BuildonceError as error:
            return error.exit_code
        return 0

    def _is_whole(self) -> bool:
        """Whether no promotion is open, and the pointers are those of what the ledger says."""
        record = self.direct.record("environments/staging.json")
        wanted = self.direct.digests(record["release"])
        return not is_open(record) and self.direct.digests("staging") == wanted


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
        yield Stage(proxy, project, _scenes(repo))


def _scenes(repo: Monorepo) -> dict[str, Scene]:
    older = release(repo, "Begin", web="one", jobs="one")
    promote(app(repo), "staging", older)
    release(repo, "Go on", web="two", jobs="two")
    before = Scene.of(repo)
    leave_open(lambda: promote(app(repo), "staging"))
    opened = Scene.of(repo)
    resume(app(repo), "staging")
    after = Scene.of(repo)
    drifted = {**after.pointers, "web": repo.images("web").require(older)}
    return {
        "promote": before,
        "rollback": after,
        "resume": opened,
        "abort": opened,
        "verify": after,
        "verify a drift": replace(after, pointers=drifted),
    }


def _cases(stage: Stage) -> list[Case]:
    """All cases, or a sample in which every command and every fault is."""
    everything = [
        Case(command, fault, first, lasting)
        for command in COMMANDS
        for first in range(stage.requests(command))
        for fault in FAULTS
        for lasting in (False, True)
    ]
    if os.environ.get("BUILDONCE_FAULTS") == "all":
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
