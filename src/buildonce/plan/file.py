"""A promotion's plan as a file: what would be done, and from which state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from buildonce.errors import PreconditionError, UsageError
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.records.record import DigestField, Record
from buildonce.ledger.records.release import Release


class PlannedState(Record):
    """What a plan was made from; ``settings`` are the environment's, from the configuration."""

    record: EnvironmentRecord
    release: Release
    pointers: dict[str, DigestField | None]
    settings: dict[str, Any]


class PlanFile(Record):
    """``inv promote ENV --plan FILE`` writes it, ``--apply FILE`` reads it."""

    environment: str
    release: str
    reason: str
    overrides: tuple[str, ...]
    irreversible: bool
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


def require_unmoved(planned: PlanFile, present: PlannedState, steps: tuple[str, ...]) -> None:
    """Refuse a plan whose state is not the present one any more.

    Raises:
        PreconditionError: naming what has moved.
    """
    moved = [
        field for field in PlannedState.model_fields
        if getattr(planned.state, field) != getattr(present, field)
    ]  # fmt: skip
    if not moved and planned.steps != steps:
        moved = ["steps"]
    if moved:
        raise PreconditionError(
            f"{planned.environment} is not as it was when this was planned: "
            f"{', '.join(moved)} moved; nothing was written",
            hint=f"inv promote {planned.environment} --plan FILE makes a new plan",
        )
