"""How the executor walks a plan, and how it ends a promotion that fails on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from buildonce import parallel
from buildonce.errors import (
    BrokenError,
    BuildonceError,
    BusyError,
    DeployError,
    PreconditionError,
    RemovalError,
    RolledBackError,
    StoppedError,
    UnavailableError,
    UnexpectedError,
)
from buildonce.execute import executor
from buildonce.execute.executor import Executor
from buildonce.execute.run import Run
from buildonce.ledger.records.promotion import Promotion
from buildonce.plan import steps
from buildonce.plan.plans import Plan, WayBack
from buildonce.plan.steps import ClosePromotion, Deploy, OpenPromotion, PreDeploy, Step, TakeOver
from tests.kit.samples import engine, promotion, release, running

FIRST, SECOND = release(1), release(2)
BEGUN = promotion(SECOND, running(FIRST))
OPEN, DONE = OpenPromotion(BEGUN), ClosePromotion(BEGUN, "done")
DEPLOY, MIGRATE = Deploy(engine(SECOND)), PreDeploy(engine(SECOND), "api", ("migrate",))
WAY_BACK = WayBack(SECOND, FIRST, engine(FIRST), deploys=True)
UNHEALTHY = DeployError("is unhealthy", service="api", host="h")


@dataclass
class Progress:
    """Progress of which only the notes are kept."""

    notes: list[str] = field(default_factory=list)

    @contextmanager
    def doing(self, _steps: Sequence[Step]) -> Iterator[None]:
        yield

    def log(self, _line: str) -> None:
        pass

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


@dataclass
class Ledger:
    """The promotion's side of the ledger: whether we are the holder, and what was asked."""

    ours: list[bool | BaseException | None] = field(default_factory=lambda: [True])
    locks: list[BaseException | None] = field(default_factory=list)
    pointers_fail: bool = False
    broken: list[str] = field(default_factory=list)
    looked: int = 0

    def is_ours(self, _promotion: Promotion) -> bool | None:
        answer = self.ours.pop(0) if len(self.ours) > 1 else self.ours[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def require_lock(self, _promotion: Promotion) -> None:
        self.looked += 1
        refusal = self.locks.pop(0) if self.locks else None
        if refusal:
            raise refusal

    def steps_back(self, way_back: WayBack, begun: Promotion, run: Run) -> tuple[Step, ...]:
        if self.pointers_fail:
            raise UnavailableError("the registry is down")
        return way_back.steps(
            begun, FIRST.digests(), redeploy=run.deployed, message=str(run.failure)
        )

    def record_broken(self, _promotion: Promotion, message: str) -> None:
        self.broken.append(message)


@dataclass
class Walk:
    """An executor whose handlers write down the steps and fail where they are told to."""

    failures: dict[Step, BaseException] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    done: list[Step] = field(default_factory=list)
    ends: list[Run] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)

    def run(self, *planned: Step, way_back: WayBack | None = WAY_BACK) -> Run:
        kinds = (
            OpenPromotion, TakeOver, PreDeploy, Deploy, steps.Confirm, steps.Point,
            steps.Unpoint, ClosePromotion, steps.RemoveTag,
        )  # fmt: skip
        handlers = dict.fromkeys(kinds, self._handle)
        walker = Executor(handlers, self.ledger, self.progress)  # type: ignore[arg-type]
        return walker.run(Plan("a plan", planned, way_back))

    def _handle(self, step: Step, run: Run) -> Run:
        self.done.append(step)
        if step in self.failures:
            raise self.failures[step]
        if isinstance(step, ClosePromotion):
            self.ends.append(run)
        return run

    def outcomes(self) -> list[str]:
        return [step.outcome for step in self.done if isinstance(step, ClosePromotion)]


def failing(walk: Walk, *planned: Step, way_back: WayBack | None = WAY_BACK) -> BuildonceError:
    with pytest.raises(BuildonceError) as caught:
        walk.run(*planned, way_back=way_back)
    return caught.value


def test_every_step_is_done_in_order() -> None:
    """A walk that meets no failure ends with what was begun."""
    walk = Walk()
    run = walk.run(OPEN, MIGRATE, DEPLOY, DONE)
    assert list(run.begun) == walk.done == [OPEN, MIGRATE, DEPLOY, DONE]


def test_a_failed_deploy_is_put_back() -> None:
    """The release before is deployed, the failure is recorded, and exit code 7 says so."""
    walk = Walk({DEPLOY: UNHEALTHY})
    error = failing(walk, OPEN, DEPLOY, DONE)
    assert isinstance(error, RolledBackError)
    assert f"staging runs {FIRST.sha} again" in error.message
    again = [step.engine.deployment.sha for step in walk.done if isinstance(step, Deploy)]
    assert again == [SECOND.sha, FIRST.sha]
    assert walk.outcomes() == ["failed"]


@pytest.mark.parametrize("remedy", ["rename the secret", ""])
def test_what_helps_against_a_failure_is_said(remedy: str) -> None:
    """The remedy of whoever failed comes with the error, whether or not the release is back."""
    back = Deploy(WAY_BACK.engine)  # type: ignore[arg-type]
    ends: tuple[dict[Step, BaseException], ...] = ({}, {back: UnavailableError("no answer")})
    for fails in ends:
        walk = Walk({DEPLOY: DeployError("is taken", host="h", hint=remedy), **fails})
        hint = failing(walk, OPEN, DEPLOY, DONE).hint
        assert hint.startswith(remedy or ("inv verify" if fails else "inv history staging"))


def test_a_definition_that_failed_is_not_recorded() -> None:
    """The ledger keeps what an environment runs by: never what was put back."""
    walk = Walk({DEPLOY: UNHEALTHY})
    failing(walk, OPEN, DEPLOY, DONE, way_back=WayBack(SECOND, None, None, deploys=True))
    assert [run.deployed_by for run in walk.ends] == [None]


def test_where_nothing_ran_before_there_is_no_way_back() -> None:
    """A first deploy that fails leaves its containers, and exit code 8 says so."""
    walk = Walk({DEPLOY: UNHEALTHY})
    first = WayBack(SECOND, None, None, deploys=True)
    error = failing(walk, OPEN, DEPLOY, DONE, way_back=first)
    assert isinstance(error, BrokenError)
    assert "nothing was deployed in staging before" in error.message


def test_a_failure_before_the_containers_leaves_them_alone() -> None:
    """Where only the pre-deploy command failed, nothing is deployed again."""
    walk = Walk({MIGRATE: UNHEALTHY})
    error = failing(walk, OPEN, MIGRATE, DEPLOY, DONE)
    assert isinstance(error, RolledBackError)
    assert [type(step) for step in walk.done] == [OpenPromotion, PreDeploy, ClosePromotion]


def test_a_promotion_taken_over_counts_as_deployed() -> None:
    """Whoever held it before may have changed containers: they go back as well."""
    walk = Walk({MIGRATE: UNHEALTHY})
    failing(walk, TakeOver(BEGUN, BEGUN.held_by("new", "h")), MIGRATE, DEPLOY, DONE)
    assert [type(step) for step in walk.done][2] is Deploy


def test_a_way_back_that_fails_is_said_and_recorded() -> None:
    """Both failures are in the message, the promotion stays open, exit code 8."""
    back = Deploy(WAY_BACK.engine)  # type: ignore[arg-type]
    walk = Walk({DEPLOY: UNHEALTHY, back: UnavailableError("no answer")})
    error = failing(walk, OPEN, DEPLOY, DONE)
    assert isinstance(error, BrokenError)
    assert "is unhealthy" in error.message
    assert "the previous release could not be restored: no answer" in error.message
    assert walk.ledger.broken == [UNHEALTHY.message]


def test_pointers_that_cannot_be_read_are_no_way_back() -> None:
    """Where no plan back can be made, that is said and recorded."""
    walk = Walk({DEPLOY: UNHEALTHY}, Ledger(pointers_fail=True))
    assert isinstance(failing(walk, OPEN, DEPLOY, DONE), BrokenError)
    assert walk.ledger.broken == [UNHEALTHY.message]


def test_an_irreversible_promotion_is_not_put_back() -> None:
    """Once anything was touched, it stops loudly."""
    mine = BEGUN.model_copy(update={"irreversible": True})
    walk = Walk({DEPLOY: UNHEALTHY})
    error = failing(walk, OpenPromotion(mine), DEPLOY, DONE)
    assert isinstance(error, BrokenError)
    assert "irreversible" in error.message
    assert "inv abort staging --reason TEXT" in error.hint
    assert walk.outcomes() == []


def test_who_lost_the_lock_changes_nothing_more() -> None:
    """The refusal is all that is said, and nothing is put back."""
    walk = Walk(ledger=Ledger(ours=[False], locks=[None, BusyError("it is locked by another")]))
    error = failing(walk, OPEN, MIGRATE, DEPLOY, DONE)
    assert isinstance(error, BusyError)
    assert walk.done == [OPEN, MIGRATE]


@pytest.mark.parametrize(("after", "looks"), [(60.0, 2), (0.0, 4)])
def test_the_lock_is_looked_at_now_and_then(
    after: float, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deploy has one look of its own; pointers that move together share one for a while."""
    monkeypatch.setattr(executor, "LOOK_AGAIN", after)
    image = SECOND.services["api"]
    names = [f"s{number}" for number in range(3 * parallel.WORKERS)]
    pointers = [steps.Point(name, image.tag(name), None, image.digest) for name in names]
    walk = Walk()
    walk.run(OPEN, DEPLOY, *pointers, DONE)
    assert walk.ledger.looked == looks


def test_a_ledger_that_cannot_be_asked_leaves_the_promotion_open() -> None:
    """Where it is not known whether the lock is ours, nothing is put back."""
    walk = Walk({DEPLOY: UNHEALTHY}, Ledger(ours=[None]))
    error = failing(walk, OPEN, DEPLOY, DONE)
    assert "is still open" in error.message
    assert walk.outcomes() == []


def test_an_outcome_that_could_not_be_written_leaves_it_open() -> None:
    """The containers run the release: they are not put back for want of a note."""
    walk = Walk({DONE: UnavailableError("the remote is down")})
    error = failing(walk, OPEN, DEPLOY, DONE)
    assert "is still open" in error.message
    assert "inv resume staging" in error.hint


def test_a_promotion_without_a_way_back_stays_open() -> None:
    """An abort that fails is aborted again, not put back."""
    walk = Walk({DEPLOY: UNHEALTHY})
    assert "is still open" in failing(walk, OPEN, DEPLOY, DONE, way_back=None).message


def test_a_failure_before_the_intent_is_only_said() -> None:
    """Where nothing is locked, the error is the step's own."""
    walk = Walk({OPEN: PreconditionError("it has moved")}, Ledger(ours=[False]))
    error = failing(walk, OPEN, DEPLOY, DONE)
    assert error.message == "it has moved"
    assert walk.done == [OPEN]


@pytest.mark.parametrize(
    ("failure", "expected"),
    [(OSError(28, "No space left on device"), RolledBackError), (KeyError("x"), UnexpectedError)],
    ids=["full disk", "an error of ours"],
)
def test_whatever_ends_a_promotion_says_its_state(
    failure: Exception, expected: type[BuildonceError]
) -> None:
    """A full disk and an error in this program end in a message about the promotion."""
    error = failing(Walk({DEPLOY: failure}), OPEN, DEPLOY, DONE)
    assert isinstance(error, expected)
    assert "staging" in error.message


def test_an_interruption_leaves_the_promotion_open() -> None:
    """What was begun is left for resume or abort, and both are named."""
    walk = Walk({DEPLOY: StoppedError("interrupted")})
    with pytest.raises(StoppedError, match="is still open") as stopped:
        walk.run(OPEN, DEPLOY, DONE)
    assert "inv abort staging" in stopped.value.hint
    assert walk.outcomes() == []


def test_an_interruption_while_a_failure_is_judged_is_told() -> None:
    """A second signal, after a deploy has failed: what is still open is said all the same."""
    walk = Walk({DEPLOY: UNHEALTHY}, Ledger(ours=[StoppedError("interrupted")]))
    with pytest.raises(StoppedError, match="is still open"):
        walk.run(OPEN, DEPLOY, DONE)


def test_an_interruption_on_the_way_back_leaves_it_open() -> None:
    """A signal while the release before is deployed again is no success."""
    back = Deploy(WAY_BACK.engine)  # type: ignore[arg-type]
    walk = Walk({DEPLOY: UNHEALTHY, back: StoppedError("interrupted")})
    with pytest.raises(StoppedError, match="is still open"):
        walk.run(OPEN, DEPLOY, DONE)


def test_a_pointer_that_cannot_be_removed_is_a_note() -> None:
    """What it still names is told, and the promotion ends as it would have."""
    image = FIRST.services["api"]
    unpoint = steps.Unpoint("api", image.tag("staging"), image.digest)
    walk = Walk({unpoint: RemovalError("refused (405)")})
    others = [steps.Unpoint(name, image.tag(name), None) for name in ("a", "b")]
    assert walk.run(OPEN, others[0], unpoint, others[1], DONE).stayed == (unpoint,)
    assert walk.done[-1] is DONE
    assert walk.progress.notes[-1] == (
        f"{unpoint.tag} was not removed; it still names {image.digest[7:19]}: refused (405)"
    )


@pytest.mark.parametrize("may_wait", [True, False])
def test_a_pointer_waits_for_the_registry_where_it_may(may_wait: bool) -> None:
    """On the way back of containers it is a note; on the way there the promotion fails."""
    image = FIRST.services["api"]
    point = steps.Point("api", image.tag("staging"), None, image.digest, may_wait)
    walk = Walk({point: UnavailableError("no answer")})
    if may_wait:
        walk.run(OPEN, point, DONE)
        assert walk.progress.notes[-1] == f"{point.tag} was not moved: no answer"
    else:
        failing(walk, OPEN, point, DONE)
    assert walk.outcomes() == ["done" if may_wait else "failed"]
