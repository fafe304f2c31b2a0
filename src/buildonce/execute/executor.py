"""Walks a plan, step by step; puts a promotion back that fails on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from buildonce.errors import BrokenError, BuildonceError, StoppedError
from buildonce.execute.builds import Builds
from buildonce.execute.ports import Progress
from buildonce.execute.promotions import Promotions
from buildonce.execute.prunings import Prunings
from buildonce.parallel import run_all
from buildonce.plan import Plan
from buildonce.steps import (
    Bake,
    ClosePromotion,
    ForgetReleases,
    OpenPromotion,
    Point,
    PruneReleases,
    RecordRelease,
    RemoveTag,
    Step,
    TakeOver,
    Unpoint,
)

_INDEPENDENT = (Point, Unpoint, RemoveTag)


class Executor:
    """Walks plans against the real parts, and tells ``progress`` about each step."""

    def __init__(
        self, builds: Builds, promotions: Promotions, prunings: Prunings, progress: Progress
    ) -> None:
        self._builds = builds
        self._promotions = promotions
        self._progress = progress
        self._handlers: dict[type[Step], Callable[[Any], None]] = {
            Bake: builds.bake,
            RecordRelease: builds.record,
            OpenPromotion: promotions.open,
            TakeOver: promotions.take_over,
            Point: promotions.point,
            Unpoint: promotions.unpoint,
            ClosePromotion: promotions.close,
            PruneReleases: prunings.prune,
            RemoveTag: prunings.remove_tag,
            ForgetReleases: prunings.forget,
        }

    def run(self, plan: Plan) -> None:
        """Do every step; neighbours that do not depend on each other at the same time.

        A promotion that fails is put back; one that is interrupted stays open, to be resumed
        or aborted.

        Raises:
            BuildonceError: what a step raised, after things were put back.
            BrokenError: they could not be put back.
        """
        try:
            self._walk(plan.steps)
        except StoppedError as error:
            raise self._left_open(error) from None
        except BuildonceError as error:
            self._put_back(plan, error)
            raise

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
                case Unpoint() | RemoveTag():
                    path = f"/v2/{step.tag.repository.path}/manifests/"
                    lines += [f"DELETE {path}{step.tag.reference}"]
        return lines

    def _walk(self, steps: Iterable[Step]) -> None:
        for kind, group in groupby(steps, type):
            if kind in _INDEPENDENT:
                run_all(self._do, group)
            else:
                for step in group:
                    self._do(step)

    def _do(self, step: Step) -> None:
        with self._progress.step(step.describe()):
            self._handlers[type(step)](step)

    def _put_back(self, plan: Plan, cause: BuildonceError) -> None:
        held = self._promotions.holding
        last = plan.steps[-1]
        if held is None or not isinstance(last, ClosePromotion) or last.outcome != "done":
            return
        self._progress.note(f"failed: {cause.message}")
        try:
            self._walk(self._promotions.steps_back(held, cause.message))
        except BuildonceError as error:
            self._promotions.record_broken(held, cause.message)
            raise BrokenError(
                f"{cause.message}\nand {held.environment} could not be put back: {error.message}",
                hint=f"inv abort {held.environment}, or inv resume {held.environment}",
            ) from None

    def _left_open(self, error: StoppedError) -> StoppedError:
        held = self._promotions.holding
        if held is None:
            return error
        name = held.environment
        return type(error)(
            f"{error.message}: the promotion of {name} is still open",
            hint=f"inv resume {name} finishes it, inv abort {name} puts it back",
        )
