"""Walks a plan, step by step; puts a promotion back that fails on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, TypeVar

from buildonce import parallel
from buildonce.errors import (
    BrokenError,
    BuildonceError,
    DeployError,
    RemovalError,
    ReportedError,
    RolledBackError,
    StoppedError,
    UnavailableError,
    UnexpectedError,
    refused_by_machine,
)
from buildonce.execute.ports import Progress
from buildonce.execute.promotions import Promotions
from buildonce.execute.run import Run
from buildonce.ledger.records.promotion import Promotion
from buildonce.plan.plans import Plan, WayBack
from buildonce.plan.steps import (
    MANY,
    Confirm,
    CopyImages,
    Deploy,
    Point,
    PreDeploy,
    RemoveTag,
    Step,
    Unpoint,
)
from buildonce.refs import short

Handlers = Mapping[type[Step], Callable[[Any, Run], Run]]
Show = Callable[[Step], AbstractContextManager[None]]
AnyError = TypeVar("AnyError", bound=ReportedError)

LOOK_AGAIN = 1.0
"""Seconds after which steps of a kind look at the lock again: each look asks the git remote."""

_INDEPENDENT = (Point, Unpoint, RemoveTag)
_UNDER_LOCK = (CopyImages, PreDeploy, Deploy, Confirm, Point, Unpoint)


@dataclass(frozen=True)
class Executor:
    """Walks plans: ``handlers`` do the steps, ``progress`` shows each."""

    handlers: Handlers
    promotions: Promotions
    progress: Progress

    def run(self, plan: Plan) -> Run:
        """Do every step and return what was done; independent neighbours at the same time.

        A promotion that fails is put back; one that is interrupted stays open, to be resumed
        or aborted.

        Raises:
            RolledBackError: a deploy failed, and the previous release is back.
            BrokenError: a promotion failed, and things could not be put back.
            BuildonceError: what a step raised, after things were put back.
            StoppedError: it was interrupted.
        """
        run = self._walk(Run(), plan.steps)
        if run.failure is None:
            return run
        try:
            error = self._ended(plan, run, run.failure)
        except StoppedError as stopped:
            error = _still_open(run.holding, stopped) if run.holding else stopped
        raise error

    def _walk(self, run: Run, steps: Iterable[Step]) -> Run:
        """Do steps until one fails; what was done and what ended it is in the run returned."""
        try:
            for neighbours in _neighbours(steps):
                with self._shown_as_one(neighbours):
                    looked = -math.inf
                    for together in _at_once(neighbours):
                        if time.monotonic() - looked > LOOK_AGAIN:
                            self._require_lock(run, together[0])
                            looked = time.monotonic()
                        run = run.beginning(together)
                        run = self._do(together, run, self._shown(neighbours))
        except (BuildonceError, StoppedError) as failure:
            return replace(run, failure=failure)
        except OSError as failure:
            return replace(run, failure=refused_by_machine(failure))
        except Exception as failure:  # noqa: BLE001  # whatever it is, the promotion's state is told
            return replace(run, failure=UnexpectedError.of(failure))
        return run

    def _require_lock(self, run: Run, step: Step) -> None:
        """Look at the ledger before a group of steps that only the lock's holder may take."""
        if run.holding and isinstance(step, _UNDER_LOCK):
            self.promotions.require_lock(run.holding)

    def _shown_as_one(self, neighbours: Sequence[Step]) -> AbstractContextManager[None]:
        return self.progress.doing(neighbours) if _are_many(neighbours) else nullcontext()

    def _shown(self, neighbours: Sequence[Step]) -> Show:
        """Return what shows each of some steps: nothing where they are shown as one."""
        if _are_many(neighbours):
            return lambda _step: nullcontext()
        return lambda step: self.progress.doing([step])

    def _do(self, steps: Sequence[Step], run: Run, show: Show) -> Run:
        if len(steps) == 1:
            return self._do_one(steps[0], run, show)
        done = parallel.run_all(lambda step: self._do_one(step, run, show), steps)
        stayed = (step for one in done for step in one.stayed[len(run.stayed) :])
        return replace(run, stayed=(*run.stayed, *stayed))

    def _do_one(self, step: Step, run: Run, show: Show) -> Run:
        try:
            with show(step):
                return self.handlers[type(step)](step, run)
        except UnavailableError as error:
            if not _may_stay(step, error):
                raise
            self.progress.note(_unmoved(step, error))
            return replace(run, stayed=(*run.stayed, step))

    def _ended(
        self, plan: Plan, run: Run, failure: BuildonceError | StoppedError
    ) -> BuildonceError | StoppedError:
        """Return the error that says how a walk ended, after its promotion was put back."""
        promotion = run.holding
        ours = promotion and self.promotions.is_ours(promotion)
        if promotion is None or ours is False:
            return failure
        if isinstance(failure, StoppedError):
            return _still_open(promotion, failure)
        self._show(failure)
        unsure = ours is None or run.closing or isinstance(failure, UnexpectedError)
        if unsure or plan.way_back is None:
            return _still_open(promotion, failure)
        if run.touched and promotion.irreversible:
            return self._broken(
                promotion, failure, "it is irreversible, so the previous release was not restored"
            )
        return self._put_back(plan.way_back, promotion, run, failure)

    def _put_back(
        self, way_back: WayBack, promotion: Promotion, run: Run, failure: BuildonceError
    ) -> BuildonceError | StoppedError:
        try:
            steps = self.promotions.steps_back(way_back, promotion, run)
        except BuildonceError as error:
            return self._not_back(promotion, failure, error)
        back = self._walk(Run(holding=promotion), steps)
        if isinstance(back.failure, StoppedError):
            return _still_open(promotion, back.failure)
        if back.failure:
            return self._not_back(promotion, failure, back.failure)
        return _put_back_error(way_back, promotion, run, failure)

    def _not_back(
        self, promotion: Promotion, failure: BuildonceError, error: BuildonceError
    ) -> BrokenError:
        return self._broken(
            promotion, failure, f"the previous release could not be restored: {error.message}"
        )

    def _broken(self, promotion: Promotion, failure: BuildonceError, why: str) -> BrokenError:
        self.promotions.record_broken(promotion, failure.message)
        name = promotion.environment
        return BrokenError(failure.message, hint=failure.hint).continued(
            f"{promotion.title}: {why}",
            hint=f"inv verify --env {name} shows every container; then "
            f"inv resume {name}, or {promotion.abort_command}",
        )

    def _show(self, failure: BuildonceError) -> None:
        for line in failure.log if isinstance(failure, DeployError) else ():
            self.progress.log(line)
        self.progress.note(f"failed: {failure.message}")


def _neighbours(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """Give steps in order: each by itself, independent ones of a kind together."""
    for kind, group in groupby(steps, type):
        if kind in _INDEPENDENT:
            yield list(group)
        else:
            yield from ([step] for step in group)


def _at_once(neighbours: Sequence[Step]) -> Iterator[Sequence[Step]]:
    """Give independent steps, as many at a time as are done at once."""
    size = parallel.WORKERS
    return (neighbours[at : at + size] for at in range(0, len(neighbours), size))


def _are_many(neighbours: Sequence[Step]) -> bool:
    return len(neighbours) > MANY


def _may_stay(step: Step, error: UnavailableError) -> bool:
    """Tell whether a walk goes on without this step, where a tag stays as it is."""
    if isinstance(step, Unpoint | RemoveTag) and isinstance(error, RemovalError):
        return True
    return isinstance(step, Point | Unpoint) and step.may_wait


def _unmoved(step: Step, error: UnavailableError) -> str:
    """Return what is said of a tag that stays: it is a projection, the ledger is the truth."""
    assert isinstance(step, Point | Unpoint | RemoveTag)
    if isinstance(step, RemoveTag):
        return f"{step.tag} was not removed: {error.message}"
    was = "moved" if isinstance(step, Point) else "removed"
    names = f"; it still names {short(step.old)}" if step.old else ""
    return f"{step.tag} was not {was}{names}: {error.message}"


def _put_back_error(
    way_back: WayBack, promotion: Promotion, run: Run, failure: BuildonceError
) -> BuildonceError:
    """Return the error after the way back was gone: what runs now."""
    name = promotion.environment
    if way_back.deploys and run.deployed and way_back.engine is None:
        return BrokenError(
            f"{failure.message}\nnothing was deployed in {name} before, so there is "
            "no release to restore; its containers are left running",
            hint=failure.hint
            or f"fix it in a new commit and promote that; if the cause lay outside the release: "
            f"inv promote {name} --sha {promotion.release}",
        )
    runs = f"{name} runs {promotion.previous or 'nothing'} again"
    if isinstance(failure, DeployError | UnavailableError) and run.touched:
        hint = failure.hint or f"inv history {name}"
        return RolledBackError(f"{failure.message}\n{runs}", hint=hint)
    return failure.continued(runs)


def _still_open(promotion: Promotion, error: AnyError) -> AnyError:
    name = promotion.environment
    return error.continued(
        f"{promotion.title} is still open",
        hint=f"inv resume {name} finishes it, "
        f"{promotion.abort_command} restores the release before",
    )
