"""A promotion's plan as a file: what would be done, and from which state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from buildonce.errors import PreconditionError, UsageError
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.records.promotion import Request
from buildonce.ledger.records.record import DigestField, Record
from buildonce.ledger.records.release import Release
from buildonce.plan.observation import Observation


class PlannedState(Record):
    """What a plan was made from; ``settings`` are the environment's, from the configuration."""

    record: EnvironmentRecord
    release: Release
    pointers: dict[str, DigestField | None]
    settings: dict[str, Any]

    @classmethod
    def of(cls, seen: Observation) -> PlannedState:
        """Return what has to be the same when the plan is carried out."""
        return cls(
            record=seen.record,
            release=seen.release,
            pointers=dict(seen.pointers or {}),
            settings=seen.settings.model_dump(mode="json"),
        )


class PlanFile(Record):
    """``inv promote ENV --plan FILE`` writes it, ``--apply FILE`` reads it."""

    request: Request
    state: PlannedState
    steps: tuple[str, ...]


def write_plan(path: Path, plan: PlanFile) -> None:
    """Write a plan.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        path.write_text(plan.to_json(), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def read_plan(path: Path) -> PlanFile:
    """Read a plan.

    Raises:
        UsageError: there is no such file, or it is not a plan.
    """
    try:
        return PlanFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError:
        raise UsageError(
            f"{path} is not a plan of this version", hint="inv promote ENV --plan FILE writes one"
        ) from None


def require_unchanged(planned: PlanFile, present: PlanFile) -> None:
    """Refuse a plan whose state is no longer the present one.

    Raises:
        PreconditionError: naming what has changed.
    """
    changed = [
        field for field in PlannedState.model_fields
        if getattr(planned.state, field) != getattr(present.state, field)
    ]  # fmt: skip
    if not changed and planned.steps != present.steps:
        changed = ["steps"]
    if changed:
        name = planned.request.environment
        raise PreconditionError(
            f"{name} has changed since this was planned: {', '.join(changed)}; nothing was written",
            hint=f"inv promote {name} --plan FILE makes a new plan",
        )
