"""Killed before and after every side effect: the old release or the new one, always whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest import mock

import pytest

from buildonce.commands.promote import promote
from buildonce.commands.recover import abort, resume
from buildonce.commands.rollback import rollback
from buildonce.execute.promotions import Promotions
from buildonce.execute.run import Run
from buildonce.ledger import events
from buildonce.plan.steps import ClosePromotion, OpenPromotion
from tests.kit.crash_points import Stop, killed_at, trace
from tests.kit.figures import Figures
from tests.kit.in_process import ANY_AGE, app
from tests.kit.ledger_log import is_open
from tests.kit.monorepo import LEDGER, Monorepo
from tests.kit.processes import in_processes
from tests.kit.releases import release

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")

RECOVERIES = {"resume": resume, "abort": abort}


def promotion(repo: Monorepo, sha: str) -> None:
    promote(app(repo), "staging", sha, **ANY_AGE)


def way_back(repo: Monorepo, sha: str) -> None:
    rollback(app(repo), "staging", sha, "back")


COMMANDS = {"promotion": promotion, "rollback": way_back}


def problems_after(repo: Monorepo, old: str, new: str, kind: str, recovery: str) -> list[str]:
    """Recover twice; return what is wrong then."""
    open_before = is_open(repo.record("environments/staging.json"))
    RECOVERIES[recovery](app(repo), "staging")
    recovered = (repo.git("rev-parse", LEDGER, cwd=repo.origin), repo.digests("staging"))
    RECOVERIES[recovery](app(repo), "staging")
    again = (repo.git("rev-parse", LEDGER, cwd=repo.origin), repo.digests("staging"))
    record = repo.record("environments/staging.json")
    runs = record["release"]
    wanted = {new} if recovery == "resume" else {old}
    problems = {
        "not idempotent": recovered != again,
        "still open": is_open(record),
        f"runs {runs}": runs not in (wanted if open_before else {old, new}),
        "not whole": repo.digests("staging") != repo.digests(runs),
        "the outcome is not recorded": open_before
        and record["promotion"]["outcome"] != ("done" if recovery == "resume" else "aborted"),
        "the ledger has forgotten what kind it was": open_before
        and record["promotion"]["kind"] != kind,
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
        if not killed_at(stop, partial(COMMANDS[kind], repo, new)):
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


@pytest.mark.nightly
def test_a_promotion_without_intent_does_not_survive_it(
    project: Monorepo, tmp_path: Path, figures: Figures
) -> None:
    """The same kills, where pointers move before the ledger knows, leave mixtures."""
    close = Promotions.close

    def open_later(promotions: Promotions, step: OpenPromotion, run: Run) -> Run:
        intents.append(step)
        return run

    def open_and_close(promotions: Promotions, step: ClosePromotion, run: Run) -> Run:
        while intents:
            promotion = intents.pop().promotion
            promotions.ledger.append(partial(events.opened, promotion=promotion))
        return close(promotions, step, run)

    intents: list[OpenPromotion] = []
    with (
        mock.patch.object(Promotions, "open", open_later),
        mock.patch.object(Promotions, "close", open_and_close),
        mock.patch.object(Promotions, "require_lock"),
    ):
        outcome = kill_everywhere(project, tmp_path, "promotion", "abort")
    figures("promotion without intent", kills=outcome.kills, not_whole=len(outcome.problems))
    assert ["not whole"] in outcome.problems.values()
