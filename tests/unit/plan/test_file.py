"""Plans as files: what is written is read again, and what moved is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from buildonce.errors import PreconditionError, UsageError
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.records.promotion import Request
from buildonce.ledger.records.record import parse_record
from buildonce.ledger.records.release import Image, Release
from buildonce.plan.file import PlanFile, PlannedState, read_plan, require_unchanged, write_plan
from buildonce.refs import digest_of
from tests.kit.samples import observation, running

STEPS = ("record promotion 1 of staging to 0123456789ab: in progress",)
STATE = PlannedState(
    record=EnvironmentRecord(environment="staging"),
    release=Release(
        revision="0123456789ab".ljust(40, "0"), sha="0123456789ab", expects=("api",),
        services={"api": Image(image="registry.example.org/api", digest=digest_of(b"api"))},
        built_at=datetime(2026, 1, 1, tzinfo=timezone.utc), built_by="b", built_with="w",
    ),
    pointers={"api": None},
    settings={"engine": "none"},
)  # fmt: skip
REQUEST = Request(environment="staging", release="0123456789ab", reason="why", overrides=("soak",))
PLAN = PlanFile(request=REQUEST, state=STATE, steps=STEPS)


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Writing and reading a plan gives the same plan."""
    write_plan(tmp_path / "plan.json", PLAN)
    assert read_plan(tmp_path / "plan.json") == PLAN


@pytest.mark.parametrize("content", ["", "{}", "[]", "not JSON", '{"environment": "staging"}'])
def test_what_is_no_plan_is_refused(tmp_path: Path, content: str) -> None:
    """A file with anything else in it is named, and how a plan is made."""
    path = tmp_path / "plan.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"plan\.json is not a plan") as refused:
        read_plan(path)
    assert "--plan" in refused.value.hint


def test_a_plan_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing file is an error about that file."""
    with pytest.raises(UsageError, match=r"plan\.json cannot be read: No such file"):
        read_plan(tmp_path / "plan.json")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A plan that cannot be kept is an error about that file."""
    with pytest.raises(UsageError, match="cannot be written: Is a directory"):
        write_plan(tmp_path, PLAN)


def test_an_unmoved_state_is_let_through() -> None:
    """A state that went through a file is still equal to itself."""
    present = parse_record(PlannedState, STATE.to_json().encode(), "plan")
    require_unchanged(PLAN, PLAN.model_copy(update={"state": present}))


@pytest.mark.parametrize(
    "moved",
    [
        {"record": running(STATE.release)},
        {"release": STATE.release.model_copy(update={"built_by": "c"})},
        {"pointers": {"api": digest_of(b"other")}},
        {"settings": {"engine": "compose"}},
    ],
    ids=lambda moved: next(iter(moved)),
)
def test_what_moved_is_named(moved: dict[str, object]) -> None:
    """A plan made from another state is refused, and the part that differs is said."""
    state = STATE.model_copy(update=moved)
    with pytest.raises(PreconditionError, match=f": {next(iter(moved))};"):
        require_unchanged(PLAN, PLAN.model_copy(update={"state": state}))


def test_other_steps_are_refused() -> None:
    """A plan whose steps would be others now, although nothing it looked at moved, is refused."""
    with pytest.raises(PreconditionError, match=": steps;"):
        require_unchanged(PLAN, PLAN.model_copy(update={"steps": ()}))


def test_an_environment_without_pointers_has_none_to_compare() -> None:
    """What was planned there is carried out: no pointer can have moved."""
    seen = observation(STATE.release, pointers={"api": None})
    assert PlannedState.of(seen).pointers == {"api": None}
    assert PlannedState.of(replace(seen, pointers=None)).pointers == {}
