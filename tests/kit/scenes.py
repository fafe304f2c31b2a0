"""States that commands begin in, to come back to, and whether a command left one whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from buildonce.commands.promote import promote
from buildonce.commands.recover import abort, resume
from buildonce.commands.rollback import rollback
from buildonce.commands.verify import verify
from buildonce.errors import BuildonceError
from tests.kit.in_process import app, leave_open
from tests.kit.ledger_log import is_open
from tests.kit.monorepo import LEDGER, Monorepo
from tests.kit.registry_wire import Stored
from tests.kit.releases import release

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
    """The state that a command begins in; `goal` is the release that runs after its success."""

    repo: Monorepo
    ledger: str
    pointers: Mapping[str, Stored]
    goal: str

    @classmethod
    def of(cls, repo: Monorepo, goal: str) -> Scene:
        pointers = {name: repo.images(name).require("staging") for name in repo.services}
        return cls(repo, repo.ledger(), pointers, goal)

    def set(self) -> None:
        self.repo.git("update-ref", f"refs/heads/{LEDGER}", self.ledger, cwd=self.repo.origin)
        self.repo.git("update-ref", "-d", f"refs/buildonce/{LEDGER}")
        for name, stored in self.pointers.items():
            self.repo.images(name).put("staging", stored)


def scenes(repo: Monorepo) -> dict[str, Scene]:
    """A scene for each command."""
    older = release(repo, "Begin", web="one", jobs="one")
    promote(app(repo), "staging", older)
    newer = release(repo, "Go on", web="two", jobs="two")
    before = Scene.of(repo, newer)
    leave_open(lambda: promote(app(repo), "staging"))
    opened = Scene.of(repo, newer)
    resume(app(repo), "staging")
    after = Scene.of(repo, newer)
    drifted = {**after.pointers, "web": repo.images("web").require(older)}
    return {
        "promote": before,
        "rollback": replace(after, goal=older),
        "resume": opened,
        "abort": replace(opened, goal=older),
        "verify": after,
        "verify a drift": replace(after, pointers=drifted),
    }


@dataclass(frozen=True)
class Case:
    """A command with a fault in what it sends or hears, from the `first` one on if `lasting`."""

    command: str
    fault: str
    first: int
    lasting: bool


def cases(faults: Iterable[str], exchanges: Callable[[str], int]) -> list[Case]:
    """Each fault in each of a command's exchanges, as many as these are, once and lasting."""
    return [
        Case(command, fault, first, lasting)
        for command in COMMANDS
        for first in range(exchanges(command))
        for fault in faults
        for lasting in (False, True)
    ]


def failure(command: str, repo: Monorepo) -> BuildonceError | None:
    """Run a command; return the error that it ended with."""
    try:
        COMMANDS[command](app(repo))
    except BuildonceError as error:
        return error
    return None


def running(repo: Monorepo) -> str | None:
    """The release of which staging's ledger and pointers say the same; None if one is open."""
    record = repo.record("environments/staging.json")
    whole = repo.digests(record["release"]) == repo.digests("staging")
    return record["release"] if whole and not is_open(record) else None
