"""The exact commands and requests behind a plan's steps, for a dry run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import PurePath
from typing import TypeVar

from buildonce.build import policy
from buildonce.execute.builds import Builds
from buildonce.plan.building import listed
from buildonce.plan.steps import (
    MANY,
    Bake,
    CarryOver,
    Copy,
    CopyImages,
    Deploy,
    Import,
    Point,
    RemoveTag,
    Step,
    Unpoint,
)

Item = TypeVar("Item")


def preview(steps: Iterable[Step], builds: Builds, *, details: bool = True) -> list[str]:
    """Return the lines for those steps that change something outside the ledger.

    Without ``details``, a build is told by what is built and why. Of many steps of a kind, the
    first one's lines stand for all.
    """
    lines: list[str] = []
    for _, group in groupby(steps, type):
        neighbours = list(group)
        lines += _first(neighbours, lambda step: _lines(step, builds, details))
    return lines


def _first(items: Sequence[Item], lines_of: Callable[[Item], list[str]]) -> list[str]:
    """Return the lines of all items or, of many, the first one's and how many more there are."""
    shown = items[:1] if len(items) > MANY else items
    lines = [line for item in shown for line in lines_of(item)]
    more = len(items) - len(shown)
    return [*lines, f"and the same for {more} more"] if more and lines else lines


def _lines(step: Step, builds: Builds, details: bool) -> list[str]:
    match step:
        case Bake():
            return [*_whys(step, details), *(_of_bake(step, builds) if details else [])]
        case CarryOver():
            return _origins(step)
        case Import():
            return [f"{name}: {image.record.ref}" for name, image in step.images.items()]
        case CopyImages():
            return _first(step.copies, lambda copy: [_of_copy(copy)])
        case Deploy():
            return [*step.engine.commands(), "where FILE is", step.engine.render()]
        case Point():
            return [f"PUT /v2/{step.tag.repository.path}/manifests/{step.tag.reference}"]
        case Unpoint() | RemoveTag():
            return [f"DELETE /v2/{step.tag.repository.path}/manifests/{step.tag.reference}"]
        case _:
            return []


def _of_copy(copy: Copy) -> str:
    if copy.there:
        return f"PUT /v2/{copy.tag.repository.path}/manifests/{copy.tag.reference}"
    return f"docker buildx imagetools create --prefer-index=false --tag {copy.tag} {copy.source}"


def _whys(step: Bake, details: bool) -> list[str]:
    """Say of each service why it is built; of many, say the same reason once."""
    services: dict[str, list[str]] = {}
    for name, target in step.targets.items():
        services.setdefault(target.why, []).append(name)
    most = len(step.targets) if details else 12
    return [f"{listed(names, most)}: {why}" for why, names in services.items()]


def _origins(step: CarryOver) -> list[str]:
    """Say from which commit each image is reused."""
    services: dict[str, list[str]] = {}
    for name, image in step.images.items():
        services.setdefault(image.record.revision[:12], []).append(name)
    return [f"unchanged since {sha}: {listed(names)}" for sha, names in services.items()]


def _of_bake(step: Bake, builds: Builds) -> list[str]:
    commit = PurePath("COMMIT")
    contexts = {name: commit / target.inputs.context for name, target in step.targets.items()}
    rules = policy.pinning(target.inputs.pins for target in step.targets.values())
    return [
        f"{policy.VARIABLE}=policy.json docker buildx bake --file bake.json",
        "where bake.json is",
        json.dumps(builds.definition(step, commit, contexts, builds.cached(step)), indent=2),
        "and policy.json is",
        json.dumps(rules, indent=2),
    ]
