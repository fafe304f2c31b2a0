"""Walks a plan, step by step; puts a promotion back that fails on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from buildonce.engines.base import DeployError
from buildonce.errors import (
    BrokenError,
    BuildonceError,
    RolledBackError,
    StoppedError,
    UnavailableError,
)
from buildonce.execute.builds import Builds
from buildonce.execute.deployments import Deployments
from buildonce.execute.ports import Progress
from buildonce.execute.promotions import Holding, Promotions
from buildonce.execute.prunings import Prunings
from buildonce.parallel import run_all
from buildonce.plan import Plan
from buildonce.steps import (
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
        self._begun: list[Step] = []
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
            self._walk_or_recover(plan)
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

    def _walk_or_recover(self, plan: Plan) -> None:
        try:
            self._walk(plan.steps)
        except StoppedError:
            raise
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
        self._begun.append(step)
        with self._progress.step(step.describe()):
            self._handlers[type(step)](step)

    def _recovered(self, plan: Plan, cause: BuildonceError) -> BuildonceError:
        """Put a failed promotion back, and return the error that says how that ended."""
        held = self._promotions.holding
        if held is None or not self._promotions.is_ours(held):
            return cause
        name = held.environment
        if isinstance(self._begun[-1], ClosePromotion) or not _promotes(plan):
            hint = f"{cause.hint}; then inv resume {name}, or inv abort {name}"
            return type(cause)(f"{cause.message}; {held.title} is still open", hint=hint)
        self._tell(cause)
        touched = any(isinstance(step, RunBefore | Deploy) for step in self._begun)
        if touched and held.operation.irreversible:
            return self._broken(held, cause, "it is marked irreversible: it was not put back")
        redeploy = any(isinstance(step, Deploy) for step in self._begun)
        try:
            self._walk(self._promotions.steps_back(held, cause.message, redeploy=redeploy))
        except StoppedError:
            raise
        except BuildonceError as error:
            return self._broken(held, cause, f"it could not be put back: {error.message}")
        return self._put_back(held, cause, redeploy=redeploy)

    def _put_back(self, held: Holding, cause: BuildonceError, *, redeploy: bool) -> BuildonceError:
        if not isinstance(cause, DeployError | UnavailableError) or not _deploys(self._begun):
            return cause
        before = held.operation.previous
        if before is None and redeploy:
            return BrokenError(
                f"{cause.message}\nnothing ran in {held.environment} before, so there is nothing "
                "to go back to; its containers are left as they are",
                hint=cause.hint,
            )
        return RolledBackError(
            f"{cause.message}\n{held.environment} runs {before or 'nothing'} again",
            hint=f"inv history {held.environment}",
        )

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
        if held is None or not self._promotions.is_ours(held):
            return error
        name = held.environment
        return type(error)(
            f"{error.message}: {held.title} is still open",
            hint=f"inv resume {name} finishes it, inv abort {name} puts it back",
        )


def _promotes(plan: Plan) -> bool:
    last = plan.steps[-1]
    return isinstance(last, ClosePromotion) and last.outcome == "done"


def _deploys(steps: Iterable[Step]) -> bool:
    return any(isinstance(step, Prepare | RunBefore | Deploy) for step in steps)
