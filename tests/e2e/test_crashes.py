"""Killed before and after every side effect: the old release or the new one, always whole.

Side effects are found by tracing: a child process stops at each process it is about to start and
at each request it is about to send, and looks whether the world has changed since the last stop.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from buildonce import events, parallel
from buildonce.commands.promote import promote, rollback
from buildonce.commands.recover import abort, resume
from buildonce.execute.promotions import Promotions
from buildonce.steps import ClosePromotion, OpenPromotion
from tests.e2e.scenario import Figures, app, in_processes, release
from tests.e2e.support import LEDGER, Monorepo

RECOVERIES = {"resume": resume, "abort": abort}
Stop = tuple[str, int]


def promotion(repo: Monorepo, sha: str) -> None:
    promote(app(repo), "staging", sha, reason="forward")


def way_back(repo: Monorepo, sha: str) -> None:
    rollback(app(repo), "staging", sha, "back")


COMMANDS = {"promotion": promotion, "rollback": way_back}


class Tracer:
    """Tells `reached` when this process is about to start another or to send (part of) a request.

    A stop has a name and is counted under it: `("git push", 2)`.
    """

    def __init__(self, reached: Callable[[Stop], None]) -> None:
        self._reached = reached
        self._counted: Counter[str] = Counter()
        self._busy = False
        sys.addaudithook(self._hear)

    def stop(self, name: str) -> None:
        if not self._busy:
            self._busy = True
            self._counted[name] += 1
            self._reached((name, self._counted[name]))
            self._busy = False

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen":
            words = [word for word in arguments[1] if "=" not in word and word != "-c"]
            self.stop(" ".join(words[:2]))
        elif event == "http.client.send":
            first = arguments[1].partition(b"\r\n")[0].decode()
            self.stop(first.split("/")[0] if first.endswith("HTTP/1.1") else "a request's body")


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a process of its own, one request after the other; return how it ended."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            parallel.WORKERS = 1
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@dataclass(frozen=True)
class Trace:
    """What changed the world in a command's run, and the stops before and after each."""

    effects: list[str]
    stops: list[Stop]


def trace(repo: Monorepo, command: Callable[[], None], folder: Path) -> Trace:
    """Run a command and look at the world at each of its stops."""
    report = folder / repo.namespace

    def run() -> None:
        last: list[tuple[Stop, object]] = [(("the start", 1), world(repo))]

        def reached(stop: Stop) -> None:
            (before, was), now = last.pop(), world(repo)
            last.append((stop, now))
            if was != now:
                with report.open("a") as file:
                    file.write(json.dumps([before, stop]) + "\n")

        tracer = Tracer(reached)
        command()
        tracer.stop("the end")

    assert in_child(run) == 0
    pairs = [json.loads(line) for line in report.read_text().splitlines()]
    stops = dict.fromkeys((str(name), int(count)) for pair in pairs for name, count in pair)
    return Trace([name for (name, _), _ in pairs], list(stops))


def world(repo: Monorepo) -> object:
    """Everything that lasts: the files of the clone's repository and of the remote, and tags."""
    files = {
        (str(path), path.stat().st_size, path.stat().st_mtime_ns)
        for root in (repo.root / ".git", repo.origin)
        for path in root.rglob("*")
    }
    return files, {service: repo.images(service).tags() for service in repo.services}


def kill_at(there: Stop, command: Callable[[], None]) -> bool:
    """Run a command and kill it at a stop; tell whether it got there."""

    def run() -> None:
        def reached(stop: Stop) -> None:
            if stop == there:
                os.kill(os.getpid(), signal.SIGKILL)

        tracer = Tracer(reached)
        command()
        tracer.stop("the end")

    return in_child(run) == -signal.SIGKILL


def problems_after(repo: Monorepo, old: str, new: str, kind: str, recovery: str) -> list[str]:
    """Recover twice; return what is wrong then."""
    open_before = repo.record("environments/staging.json")["operation"] is not None
    RECOVERIES[recovery](app(repo), "staging")
    recovered = (repo.git("rev-parse", LEDGER, cwd=repo.origin), repo.digests("staging"))
    RECOVERIES[recovery](app(repo), "staging")
    again = (repo.git("rev-parse", LEDGER, cwd=repo.origin), repo.digests("staging"))
    record = repo.record("environments/staging.json")
    runs = record["release"]
    wanted = {new} if recovery == "resume" else {old}
    problems = {
        "not idempotent": recovered != again,
        "still open": record["operation"] is not None,
        f"runs {runs}": runs not in (wanted if open_before else {old, new}),
        "not whole": repo.digests("staging") != repo.digests(runs),
        "the outcome is not recorded": open_before
        and record["last"]["outcome"] != ("done" if recovery == "resume" else "aborted"),
        "the ledger has forgotten what kind it was": open_before
        and record["last"]["operation"]["kind"] != kind,
    }
    return [problem for problem, found in problems.items() if found]


@dataclass(frozen=True)
class Outcome:
    """How often a command was killed, at how many side effects, and what was wrong afterwards."""

    effects: int
    kills: int
    problems: dict[Stop, list[str]]


def kill_everywhere(repo: Monorepo, folder: Path, kind: str, recovery: str) -> Outcome:
    """Kill a command before and after each of its side effects, and recover each time."""
    shas = [release(repo, web="one"), release(repo, web="two")]
    for sha in shas:
        promotion(repo, sha)
    traced = trace(repo, partial(COMMANDS[kind], repo, shas[0]), folder)
    problems = {}
    for stop in traced.stops:
        old = repo.record("environments/staging.json")["release"]
        (new,) = set(shas) - {old}
        if not kill_at(stop, partial(COMMANDS[kind], repo, new)):
            problems[stop] = ["it was never reached"]
        elif found := problems_after(repo, old, new, kind, recovery):
            problems[stop] = found
    return Outcome(len(traced.effects), len(traced.stops), problems)


def test_a_kill_at_any_side_effect_leaves_one_whole_release(
    make: Callable[..., Monorepo], project: Monorepo, tmp_path: Path, figures: Figures
) -> None:
    """Whatever side effect SIGKILL comes before or after, one command finishes or undoes it."""
    cases = [(kind, recovery) for kind in COMMANDS for recovery in RECOVERIES]
    outcomes = in_processes([partial(kill_everywhere, make(), tmp_path, *case) for case in cases])
    for case, outcome in zip(cases, outcomes, strict=True):
        figures(" then ".join(case), side_effects=outcome.effects, kills=outcome.kills)
        assert outcome.problems == {}
        assert outcome.effects > 10


def test_a_promotion_without_intent_does_not_survive_it(
    project: Monorepo, tmp_path: Path, figures: Figures
) -> None:
    """The same kills, where pointers move before the ledger knows, leave mixtures."""
    close = Promotions.close

    def open_later(promotions: Promotions, step: OpenPromotion) -> None:
        intents.append(step)

    def open_and_close(promotions: Promotions, step: ClosePromotion, definition: None) -> None:
        while intents:
            promotions.ledger.append(partial(events.opened, step=intents.pop()))
        close(promotions, step, definition)

    intents: list[OpenPromotion] = []
    with (
        mock.patch.object(Promotions, "open", open_later),
        mock.patch.object(Promotions, "close", open_and_close),
    ):
        outcome = kill_everywhere(project, tmp_path, "promotion", "abort")
    figures("promotion without intent", kills=outcome.kills, not_whole=len(outcome.problems))
    assert ["not whole"] in outcome.problems.values()
