"""A ledger of 10,000 events beside one of 10: what a command reads does not grow with it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from unittest import mock

import pytest

from buildonce.app import App
from buildonce.commands.history import history
from buildonce.commands.promote import promote
from buildonce.commands.status import status
from buildonce.commands.verify import verify
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.records.promotion import Promotion
from tests.kit.figures import Figures
from tests.kit.in_process import ANY_AGE, app
from tests.kit.monorepo import LEDGER, Monorepo
from tests.kit.releases import EARLY, release

FEW, MANY = 10, 10_000
AUTHOR = b"Dana Developer <dana@example.org> 1767225600 +0000\n"


def promote_the_other(there: App) -> None:
    """Promote the release that staging does not run."""
    snapshot = there.ledger.read()
    runs = snapshot.environment("staging").release
    (other,) = {sha for sha in snapshot.names("releases") if sha != runs}
    promote(there, "staging", other, **ANY_AGE)


COMMANDS: Mapping[str, Callable[[App], None]] = {
    "status": lambda there: status(there, as_json=False),
    "history": lambda there: history(there, "staging", 20, as_json=False),
    "promote": promote_the_other,
    "verify": lambda there: verify(there, ["staging"], each=True, as_json=False),
}


def long_ledger(repo: Monorepo, events: int) -> Monorepo:
    """Give a monorepo two releases, the older one in staging, and that many more events."""
    sha = release(repo, web="one")
    promote(app(repo), "staging")
    release(repo, web="two")
    record = EnvironmentRecord.model_validate(repo.record("environments/staging.json"))
    stream = b"".join(_commits(record, sha, events, repo.ledger()))
    repo.git("fast-import", "--quiet", cwd=repo.origin, stdin=stream.decode())
    return repo


def _commits(record: EnvironmentRecord, sha: str, events: int, tip: str) -> Iterator[bytes]:
    for number in range(events // 2):
        begun = Promotion(
            environment="staging", id=f"{number:032x}", sequence=record.sequence + 1, release=sha,
            previous=sha, actor="Dana Developer <dana@example.org>", host="ci", started_at=EARLY,
        )  # fmt: skip
        opened = record.opened(begun)
        record = opened.done(EARLY, begun.actor)
        for what, state in (("opened", opened), ("done", record)):
            facts = f"Event: {what}\nEnvironment: staging\nSequence: {begun.sequence}\n"
            message = f"promotion {begun.sequence}: {what}\n\n{facts}Release: {sha}\n".encode()
            content = state.to_json().encode()
            yield b"commit refs/heads/%s\ncommitter %s" % (LEDGER.encode(), AUTHOR)
            yield b"data %d\n%s\n" % (len(message), message)
            yield b"from %s\n" % tip.encode() if number == 0 and what == "opened" else b""
            yield b"M 100644 inline environments/staging.json\n"
            yield b"data %d\n%s\n" % (len(content), content)


@pytest.fixture(scope="module")
def ledgers(make: Callable[..., Monorepo], env: Mapping[str, str]) -> dict[int, Monorepo]:
    """A monorepo with a short ledger, and one with a long one."""
    with mock.patch.dict(os.environ, env, clear=True):
        return {events: long_ledger(make(), events) for events in (FEW, MANY)}


@pytest.fixture
def shallow(project: Monorepo, ledgers: dict[int, Monorepo], tmp_path: Path) -> list[Monorepo]:
    """Clones of two commits that have never seen the ledger."""
    return [repo.clone(tmp_path / str(events), "--depth=2") for events, repo in ledgers.items()]


def objects(repo: Monorepo) -> int:
    """How many objects a clone has."""
    listed = repo.git("cat-file", "--batch-all-objects", "--batch-check", "--unordered")
    return len(listed.splitlines())


def new_objects(repo: Monorepo, command: str) -> int:
    """How many objects a command brings into a clone."""
    before = objects(repo)
    COMMANDS[command](app(repo))
    return objects(repo) - before


def ledger_commits(repo: Monorepo) -> int:
    return int(repo.git("rev-list", "--count", f"refs/buildonce/{LEDGER}"))


@pytest.mark.parametrize("command", ["status", "verify", "promote"])
def test_no_more_is_fetched_of_a_long_ledger_than_of_a_short_one(
    shallow: list[Monorepo], command: str
) -> None:
    """In a shallow clone, a command brings in as many objects whatever the ledger's length."""
    few, many = (new_objects(repo, command) for repo in shallow)
    assert few == many


def test_the_present_state_is_one_commit(shallow: list[Monorepo]) -> None:
    """To say what runs, a shallow clone fetches the ledger's last commit alone."""
    _, many = shallow
    COMMANDS["status"](app(many))
    assert ledger_commits(many) == 1


def test_history_fetches_what_it_shows(shallow: list[Monorepo], figures: Figures) -> None:
    """The latest 20 promotions of 5,000 take a small part of the ledger, however long it is."""
    _, many = shallow
    COMMANDS["history"](app(many))
    figures("history of 20 in a shallow clone", commits_fetched=ledger_commits(many))
    assert 40 <= ledger_commits(many) <= 100


def test_a_full_clone_has_it_all(
    project: Monorepo, ledgers: dict[int, Monorepo], tmp_path: Path
) -> None:
    """The measure works: where everything was fetched, it counts everything."""
    clone = ledgers[MANY].clone(tmp_path / "full")
    assert objects(clone) > 2 * MANY


def test_a_long_ledger_takes_the_same_commands(
    project: Monorepo,
    ledgers: dict[int, Monorepo],
    tmp_path: Path,
    figures: Figures,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every command runs git exactly as often on 10,000 events as on 10; the times are shown."""
    clones = [
        ledgers[events].clone(tmp_path / str(events), "--single-branch") for events in (FEW, MANY)
    ]
    for repo in clones:
        began = time.perf_counter()
        COMMANDS["status"](app(repo))
        figures("first status of a full clone", took=f"{time.perf_counter() - began:.3f} s")
    for command in COMMANDS:
        (few, few_runs), (many, many_runs) = (measured(repo, command) for repo in clones)
        took = {f"{FEW}_events": f"{few:.3f} s", f"{MANY}_events": f"{many:.3f} s"}
        figures(command, **took, ratio=f"{many / few:.2f}", git_runs=many_runs)
        assert few_runs == many_runs


def measured(repo: Monorepo, command: str) -> tuple[float, int]:
    """How long a command takes, and how often it runs git."""
    with mock.patch("buildonce.git.process.subprocess.run", wraps=subprocess.run) as runs:
        began = time.perf_counter()
        COMMANDS[command](app(repo))
        return time.perf_counter() - began, runs.call_count
