"""Many promoters at once: what the ledger acknowledged is in it, once, and in order."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar
from unittest import mock

import pytest

from buildonce.commands.promote import promote
from buildonce.commands.recover import abort
from buildonce.commands.rollback import rollback
from buildonce.errors import BuildonceError, BusyError, PreconditionError
from buildonce.execute.promotions import Promotions
from buildonce.execute.run import Run
from buildonce.ledger.branch import RemoteBranch
from buildonce.ledger.store import Ledger
from buildonce.plan.steps import OpenPromotion
from tests.kit.crash_points import paused_at, trace
from tests.kit.figures import Figures
from tests.kit.in_process import ANY_AGE, app, heard, leave_open
from tests.kit.ledger_log import facts, is_open
from tests.kit.monorepo import LEDGER, Monorepo, State, ended
from tests.kit.processes import in_processes
from tests.kit.releases import release

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")

RECORD = "environments/staging.json"
PROCESSES, ROUNDS, ROUNDS_OF_CONTROL, PATIENCE = 8, 10, 3, 4
SEPARATE: dict[str, dict[str, str]] = {"staging": {}, "production": {}}
"""Two environments of which neither comes after the other."""


class Told(RemoteBranch):
    """The ledger's branch; it keeps the commits that it said were written."""

    written: ClassVar[list[str]] = []

    def move(self, old: str | None, new: str) -> bool:
        moved = super().move(old, new)
        if moved:
            self.written.append(new)
        return moved


class LastWriterWins(Told):
    """The same branch without compare-and-swap: whoever pushes last is right."""

    def tip(self) -> str | None:
        self.git.run("fetch", "--quiet", self.remote, f"+refs/heads/{self.name}:refs/seen")
        return self.git.text("rev-parse", "refs/seen")

    def move(self, _old: str | None, new: str) -> bool:
        self.git.run("push", "--quiet", "--force", self.remote, f"{new}:refs/heads/{self.name}")
        self.written.append(new)
        return True


@dataclass(frozen=True)
class Attempt:
    """One round of one process; its reason names it in the ledger."""

    reason: str
    ended: str


@dataclass(frozen=True)
class Race:
    """What every process was told: how its attempts ended, and which commits were written."""

    attempts: list[Attempt]
    written: list[str]


@dataclass(frozen=True)
class Audit:
    """What is wrong with a ledger, given what was acknowledged."""

    lost_events: list[str]
    lost_promotions: list[str]
    unacknowledged: list[str]
    duplicate: list[tuple[str, str]]
    gaps: list[int]

    @classmethod
    def of(cls, repo: Monorepo, race: Race) -> Audit:
        there = set(repo.git("rev-list", LEDGER, cwd=repo.origin).splitlines())
        events = [fact for fact in facts(repo) if fact.get("Reason", "").startswith("process")]
        acknowledged = {one.reason for one in race.attempts if one.ended == "acknowledged"}
        done = {event["Reason"] for event in events if event["Event"] == "done"}
        counted = Counter((event["Reason"], event["Event"]) for event in events)
        return cls(
            lost_events=sorted(set(race.written) - there),
            lost_promotions=sorted(acknowledged - done),
            unacknowledged=sorted(done - acknowledged),
            duplicate=[event for event, count in counted.items() if count > 1],
            gaps=[gap for environment in SEPARATE for gap in gaps(repo, environment)],
        )


def gaps(repo: Monorepo, environment: str) -> list[int]:
    """The places at which an environment's sequence is not the one before plus one."""
    sequence = [
        int(fact["Sequence"])
        for fact in facts(repo)
        if fact["Event"] == "opened" and fact["Environment"] == environment
    ]
    return [found for place, found in enumerate(sequence, 1) if found != place]


def race(repo: Monorepo, folder: Path, rounds: int, branch: type[Told]) -> Race:
    """Let the processes promote and roll back at random, each in a clone of its own."""
    shas = [release(repo, web=f"content {number}") for number in range(4)]
    for environment in SEPARATE:
        for sha in shas:
            promote(app(repo, environments=SEPARATE), environment, sha, **ANY_AGE)
    clones = [repo.clone(folder / str(number)) for number in range(PROCESSES)]
    jobs = [
        partial(run, clone, number, shas, rounds, branch) for number, clone in enumerate(clones)
    ]
    told = in_processes(jobs)
    return Race(
        attempts=[attempt for one in told for attempt in one.attempts],
        written=[commit for one in told for commit in one.written],
    )


def run(repo: Monorepo, number: int, shas: list[str], rounds: int, branch: type[Told]) -> Race:
    os.environ["GIT_COMMITTER_NAME"] = f"Process {number}"
    dice = random.Random(number)
    reasons = [f"process {number} round {one}" for one in range(rounds)]
    attempts = [insist(partial(attempt, repo, dice, shas, one, branch), dice) for one in reasons]
    return Race(attempts, branch.written)


def insist(once: Callable[[], Attempt], dice: random.Random) -> Attempt:
    """Come back a few times while somebody else holds the environment."""
    for _ in range(PATIENCE):
        tried = once()
        if tried.ended != "busy":
            break
        time.sleep(dice.uniform(0.1, 0.5))
    return tried


def attempt(
    repo: Monorepo, dice: random.Random, shas: list[str], reason: str, branch: type[Told]
) -> Attempt:
    there = app(repo, environments=SEPARATE)
    there.ledger = Ledger(branch(there.git, LEDGER, "origin"))
    environment, sha = dice.choice(list(SEPARATE)), dice.choice(shas)
    try:
        if dice.random() < 0.4:
            rollback(there, environment, None, reason)
        else:
            promote(there, environment, sha, reason=reason, overrides=("forward",))
    except BusyError:
        return Attempt(reason, "busy")
    except PreconditionError:
        return Attempt(reason, "moved meanwhile")
    except BuildonceError as error:
        return Attempt(reason, f"{type(error).__name__}: {error.message}")
    return Attempt(reason, "nothing to do" if "nothing to do" in heard(there) else "acknowledged")


def test_no_event_is_lost_or_written_twice(
    project: Monorepo, tmp_path: Path, figures: Figures
) -> None:
    """Of 8 processes' mixed promotions and rollbacks, exactly those acknowledged are recorded."""
    told = race(project, tmp_path, ROUNDS, Told)
    ended = Counter(one.ended for one in told.attempts)
    figures("races", processes=PROCESSES, rounds=ROUNDS, events_written=len(told.written), **ended)
    assert Audit.of(project, told) == Audit([], [], [], [], [])
    assert set(ended) <= {"acknowledged", "busy", "moved meanwhile", "nothing to do"}
    assert ended["acknowledged"] > PROCESSES
    for environment in SEPARATE:
        record = project.record(f"environments/{environment}.json")
        assert not is_open(record)
        assert project.digests(environment) == project.digests(record["release"])


def test_a_ledger_where_the_last_writer_wins_loses_events(
    project: Monorepo, tmp_path: Path, figures: Figures
) -> None:
    """The same race without compare-and-swap is caught losing what it had acknowledged."""
    told = race(project, tmp_path, ROUNDS_OF_CONTROL, LastWriterWins)
    audit = Audit.of(project, told)
    figures(
        "races, last writer wins",
        events_written=len(told.written), lost=len(audit.lost_events),
        promotions_lost=len(audit.lost_promotions),
    )  # fmt: skip
    assert audit.lost_events


def test_the_second_of_two_learns_who_was_first(project: Monorepo) -> None:
    """4, with who holds the environment, for what, since when, and what to do about it."""
    sha = release(project)
    leave_open(lambda: promote(app(project), "staging"))
    begun = project.record(RECORD)["promotion"]
    before = project.state()
    said = project.inv("promote", "staging", expect=4).err
    since = begun["started_at"].replace("T", " ").replace("Z", " UTC")
    assert f"staging is locked by promotion 1 to {sha}" in said
    assert f"begun by Dana Developer <dana@example.org> on {begun['host']} at {since}" in said
    assert "inv resume staging, or inv abort staging" in said
    assert project.state() == before


def test_environments_do_not_block_each_other(project: Monorepo) -> None:
    """While staging is locked, production is promoted as if it were not."""
    release(project)
    leave_open(lambda: promote(app(project), "staging"))
    promote(app(project, environments=SEPARATE), "production")
    assert project.digests("production") == project.digests(project.sha())


def test_of_two_at_the_same_moment_one_wins(project: Monorepo, tmp_path: Path) -> None:
    """Two that have planned alike and write at once: one is done, the other has done nothing."""
    shas = [release(project, web="one"), release(project, web="two")]
    clones = [project.clone(tmp_path / sha) for sha in shas]
    together = multiprocessing.get_context("fork").Barrier(2)
    write = Promotions.open

    def wait_and_open(promotions: Promotions, step: OpenPromotion, run: Run) -> Run:
        together.wait()
        return write(promotions, step, run)

    def run(repo: Monorepo, sha: str) -> int:
        try:
            promote(app(repo), "staging", sha)
        except BuildonceError as error:
            return error.exit_code
        return 0

    with mock.patch.object(Promotions, "open", wait_and_open):
        jobs = [partial(run, repo, sha) for repo, sha in zip(clones, shas, strict=True)]
        codes = in_processes(jobs)
    assert sorted(codes) in ([0, 3], [0, 4])
    record = project.record(RECORD)
    assert (record["promotion"]["sequence"], record["release"]) == (1, shas[codes.index(0)])
    assert project.digests("staging") == project.digests(record["release"])


def test_a_promoter_that_was_paused_changes_nothing_more(
    project: Monorepo, tmp_path: Path, figures: Figures
) -> None:
    """Woken after its promotion was aborted, it ends with 3 and leaves everything alone.

    The one thing that cannot be called back is a request that it had begun to send: registries
    have no conditional write. Woken while reading back what it wrote, it finds other bytes: 5.
    """
    shas = [release(project, web="one"), release(project, web="two")]
    for sha in (*shas, shas[0]):
        promote(app(project), "staging", sha, **ANY_AGE)
    outcomes: Counter[str] = Counter()
    for stop in trace(
        project, partial(promote, app(project), "staging", shas[1], **ANY_AGE), tmp_path
    ).stops:
        runs = project.record(RECORD)["release"]
        (other,) = set(shas) - {runs}
        aborted: list[State] = []
        meanwhile = partial(abort_if_open, project, aborted)
        code = paused_at(
            stop, meanwhile, partial(promote, app(project), "staging", other, **ANY_AGE)
        )
        if not aborted:
            outcomes["not open then"] += 1
            assert code == 0, stop
            continue
        assert code in (3, 5), stop
        unchanged = [project.state()] == aborted
        outcomes["nothing changed" if unchanged else "request under way arrived"] += 1
        assert unchanged or stop[0] in ("PUT ", "a request's body"), stop
        promote(app(project), "staging", runs, **ANY_AGE)
    figures("paused, aborted, woken", **outcomes)
    assert outcomes["nothing changed"] >= 5


def abort_if_open(repo: Monorepo, aborted: list[State]) -> None:
    if is_open(repo.record(RECORD)):
        abort(app(repo), "staging")
        aborted.append(repo.state())


def test_a_woken_process_is_told_that_its_promotion_was_ended(project: Monorepo) -> None:
    """Paused by SIGSTOP while its intent is written, `inv` ends with 3 and says why."""
    release(project)
    project.hook("post-receive", '[ -z "$INV_PID" ] || kill -STOP $INV_PID')
    process = project.start("promote", "staging")
    while not stopped(process.pid):
        assert process.poll() is None
        time.sleep(0.01)
    abort(app(project), "staging")
    before = project.state()
    process.send_signal(signal.SIGCONT)
    done = ended(process)
    assert done.code == 3
    assert "was ended by somebody else (aborted); nothing more was changed" in done.err
    assert project.state() == before


def stopped(pid: int) -> bool:
    """Whether a process is stopped (proc(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
