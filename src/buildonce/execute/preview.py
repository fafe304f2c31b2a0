"""The exact commands and requests behind a plan's steps, for a dry run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from buildonce.build import policy
from buildonce.execute.builds import Builds
from buildonce.plan.steps import Bake, Deploy, Point, RemoveTag, Step, Unpoint


def preview(steps: Iterable[Step], builds: Builds) -> list[str]:
    """Return the lines for those steps that change something outside the ledger."""
    return [line for step in steps for line in _lines(step, builds)]


def _lines(step: Step, builds: Builds) -> list[str]:
    match step:
        case Bake():
            with builds.definition(step, Path("COMMIT")) as definition:
                text = json.dumps(definition, indent=2)
            rules = json.dumps(policy.pinning(step.pins.values()), indent=2)
            return [
                f"{policy.VARIABLE}=policy.json docker buildx bake --file bake.json",
                "where bake.json is",
                text,
                "and policy.json is",
                rules,
            ]
        case Deploy():
            return [*step.engine.commands(), "where FILE is", step.engine.render()]
        case Point():
            path = f"/v2/{step.tag.repository.path}/manifests/"
            return [f"GET {path}{step.new}", f"PUT {path}{step.tag.reference}"]
        case Unpoint() | RemoveTag():
            return [f"DELETE /v2/{step.tag.repository.path}/manifests/{step.tag.reference}"]
        case _:
            return []
