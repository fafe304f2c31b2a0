"""Walks a plan, step by step; puts a promotion back that fails on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from buildonce.engines.base import DeployError
from buildonce.errors import (
    BrokenError,
    BuildonceError,
    RolledBackError,
    StoppedError,
    Told,
    UnavailableError,
)
from buildonce.execute.builds import Builds
from buildonce.execute.deployments import Deployments
from buildonce.execute.ports import Progress
from buildonce.execute.promotions import Holding, Promotions
from buildonce.execute.prunings import Prunings
from buildonce.parallel import run_all
from buildonce.plan.plans import Plan
from buildonce.plan.steps import (
    Bake,
    ClosePromotion,
    Confirm,
    Deploy,
    ForgetReleases,
    OpenPromotion,
    Point,
    Prepare,
    PruneReleases,
    RecordRelease,
    RemoveTag,
    RunBefore,
    Step,
    TakeOver,
    Unpoint,
)

AnyTold = TypeVar("AnyTold", bound=Told)

_INDEPENDENT = (Point, Unpoint, RemoveTag)


class Executor:
    """Walks plans against the real parts, and tells ``progress`` about each step."""

    def __init__(
        self,
        builds: Builds,
        promotions: Promotions,
        deployments: Deployments,
        prunings: Prunings,
        progress: Progress,
    ) -> None:
        self._builds = builds
        self._promotions = promotions
        self._deployments = deployments
        self._progress = progress
        self._current: Step | None = None
        self._handlers: dict[type[Step], Callable[[Any], None]] = {
            Bake: builds.bake,
            RecordRelease: builds.record,
            Prepare: deployments.prepare,
            OpenPromotion: promotions.open,
            TakeOver: promotions.take_over,
            RunBefore: deployments.run_before,
            Point: promotions.point,
            Unpoint: promotions.unpoint,
            Deploy: deployments.deploy,
            Confirm: deployments.confirm,
            ClosePromotion: lambda step: promotions.close(step, deployments.rendered),
            PruneReleases: prunings.prune,
            RemoveTag: prunings.remove_tag,
            ForgetReleases: prunings.forget,
        }

    def run(self, plan: Plan) -> None:
        """Do every step; neighbours that do not depend on each other at the same time.

        A promotion that fails is put back; one that is interrupted stays open, to be resumed
        or aborted.

        Raises:
            RolledBackError: a deploy failed, and the previous release is back.
            BrokenError: a promotion failed, and things could not be put back.
            BuildonceError: what a step raised, after things were put back.
        """
        try:
            self._walk_or_put_back(plan)
        except StoppedError as error:
            raise self._left_open(error) from None

    def details(self, plan: Plan) -> list[str]:
        """Return the exact commands and requests behind a plan's steps, for a dry run."""
        lines: list[str] = []
        for step in plan.steps:
            match step:
                case Bake():
                    with self._builds.definition(step, Path("COMMIT")) as definition:
                        text = json.dumps(definition, indent=2)
                    lines += ["docker buildx bake --file bake.json, where bake.json is", text]
                case Point():
                    path = f"/v2/{step.tag.repository.path}/manifests/"
                    lines += [f"GET {path}{step.new}", f"PUT {path}{step.tag.reference}"]
                case Deploy():
                    lines += self._deployments.commands(step)
                case Unpoint() | RemoveTag():
                    path = f"/v2/{step.tag.repository.path}/manifests/"
                    lines += [f"DELETE {path}{step.tag.reference}"]
        return lines

    def _walk_or_put_back(self, plan: Plan) -> None:
        try:
            self._walk(plan.steps)
        except BuildonceError as error:
            raise self._recovered(plan, error) from None

    def _walk(self, steps: Iterable[Step]) -> None:
        for kind, group in groupby(steps, type):
            if kind in _INDEPENDENT:
                run_all(self._do, group)
            else:
                for step in group:
                    self._do(step)

    def _do(self, step: Step) -> None:
        self._current = step
        with self._progress.step(step.describe()):
            self._handlers[type(step)](step)

    def _recovered(self, plan: Plan, cause: BuildonceError) -> BuildonceError:
        """Put a failed promotion back, and return the error that says how that ended."""
        held = self._promotions.holding
        ours = held and self._promotions.is_ours(held)
        if held is None or ours is False:
            return cause
        self._tell(cause)
        if ours is None or isinstance(self._current, ClosePromotion) or not _promotes(plan):
            return _still_open(held, cause)
        if self._deployments.touched and held.operation.irreversible:
            return self._broken(held, cause, "it is marked irreversible: it was not put back")
        return self._put_back(held, cause)

    def _put_back(self, held: Holding, cause: BuildonceError) -> BuildonceError:
        deployed = self._deployments.deployed
        self._deployments.rendered = None  # what failed is not what the environment runs by
        try:
            steps = self._promotions.steps_back(held, cause.message, redeploy=deployed)
            self._walk(steps)
        except BuildonceError as error:
            return self._broken(held, cause, f"it could not be put back: {error.message}")
        if deployed and not any(isinstance(step, Deploy) for step in steps):
            return BrokenError(
                f"{cause.message}\nnothing was deployed in {held.environment} before, so there is "
                "nothing to go back to; its containers are left as they are",
                hint=cause.hint,
            )
        now_runs = f"{held.environment} runs {held.operation.previous or 'nothing'} again"
        if isinstance(cause, DeployError | UnavailableError) and self._deployments.touched:
            hint = f"inv history {held.environment}"
            return RolledBackError(f"{cause.message}\n{now_runs}", hint=hint)
        return cause.continued(now_runs)

    def _broken(self, held: Holding, cause: BuildonceError, why: str) -> BrokenError:
        self._promotions.record_broken(held, cause.message)
        return BrokenError(
            f"{cause.message}\n{held.title}: {why}",
            hint=f"inv verify --env {held.environment} shows every container; then "
            f"inv resume {held.environment}, or inv abort {held.environment}",
        )

    def _tell(self, cause: BuildonceError) -> None:
        for line in cause.log if isinstance(cause, DeployError) else ():
            self._progress.log(line)
        self._progress.note(f"failed: {cause.message}")

    def _left_open(self, error: StoppedError) -> StoppedError:
        held = self._promotions.holding
        if held is None or self._promotions.is_ours(held) is False:
            return error
        return _still_open(held, error)


def _promotes(plan: Plan) -> bool:
    last = plan.steps[-1]
    return isinstance(last, ClosePromotion) and last.outcome == "done"


def _still_open(held: Holding, error: AnyTold) -> AnyTold:
    name = held.environment
    return error.continued(
        f"{held.title} is still open",
        hint=f"inv resume {name} finishes it, inv abort {name} puts it back",
    )
