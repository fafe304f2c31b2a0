"""The rules of an environment, over times and runs that no test could wait for."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from buildonce.config import Environment, Freeze
from buildonce.errors import PreconditionError, UsageError
from buildonce.ledger.records.environment import RunRecord
from buildonce.plan.rules import Violation, enforce, violations

BERLIN = "Europe/Berlin"
NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)  # a Monday
SHA = "0123456789ab"


def broken(
    environment: Environment,
    *,
    ran_before: RunRecord | None = None,
    on_branches: bool | None = True,
    now: datetime = NOON,
) -> list[str]:
    return [one.rule for one in violations(environment, SHA, ran_before, on_branches, now)]


def ran(since: datetime, until: datetime | None = None) -> RunRecord:
    return RunRecord(release=SHA, sequence=1, since=since, until=until)


def frozen(window: Freeze, moment: str) -> bool:
    """Whether a window is closed at a moment, written with its offset from UTC."""
    environment = Environment(freeze=(window,))
    return broken(environment, now=datetime.fromisoformat(moment)) == ["freeze"]


def test_nothing_configured_forbids_nothing() -> None:
    """An environment without rules takes any release at any time."""
    assert broken(Environment(), on_branches=None) == []


def test_a_release_needs_the_environment_before() -> None:
    """What `after` has never run is refused, and what it once ran is not."""
    environment = Environment(after="staging")
    assert broken(environment) == ["order"]
    assert broken(environment, ran_before=ran(NOON, until=NOON)) == []


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (timedelta(minutes=29, seconds=59), None, ["soak"]),
        (timedelta(minutes=30), None, []),
        (timedelta(days=9), timedelta(days=9) - timedelta(minutes=29), ["soak"]),
        (timedelta(days=9), timedelta(days=9) - timedelta(minutes=30), []),
    ],
    ids=["too short", "just long enough", "too short, long ago", "long enough, long ago"],
)
def test_soaking_counts_the_time_it_ran(
    since: timedelta, until: timedelta | None, expected: list[str]
) -> None:
    """The time in the environment before counts until another release took the place."""
    environment = Environment(after="staging", soak="30m")
    run = ran(NOON - since, None if until is None else NOON - until)
    assert broken(environment, ran_before=run) == expected


@pytest.mark.parametrize(
    ("on_branches", "expected"), [(True, []), (False, ["branches"]), (None, ["branches"])]
)
def test_a_commit_must_be_known_to_be_on_an_allowed_branch(
    on_branches: bool | None, expected: list[str]
) -> None:
    """A commit elsewhere is refused, and so is one of which this clone cannot tell."""
    environment = Environment(branches=("main", "release"))
    assert broken(environment, on_branches=on_branches) == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-27T15:59:59+01:00", False),
        ("2026-11-27T16:00:00+01:00", True),
        ("2026-11-29T23:59:00+01:00", True),
        ("2026-11-30T00:00:00+01:00", True),
        ("2026-11-30T06:59:59+01:00", True),
        ("2026-11-30T07:00:00+01:00", False),
    ],
)
def test_a_weekly_window_goes_over_the_weeks_end(moment: str, expected: bool) -> None:
    """From Friday afternoon until Monday morning is one window, its end not part of it."""
    window = Freeze(start="Fri 16:00", end="Mon 07:00", timezone=BERLIN)
    assert frozen(window, moment) is expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-03-27T15:30:00+00:00", True),  # 16:30, winter time
        ("2026-03-27T14:30:00+00:00", False),  # 15:30, winter time
        ("2026-04-03T14:30:00+00:00", True),  # 16:30, summer time
        ("2026-04-03T13:30:00+00:00", False),  # 15:30, summer time
    ],
)
def test_a_window_follows_the_wall_clock_through_summer_time(moment: str, expected: bool) -> None:
    """16:00 means 16:00 on the wall there, which is another time in UTC in summer."""
    window = Freeze(start="Fri 16:00", end="Fri 23:00", timezone=BERLIN)
    assert frozen(window, moment) is expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-10-25T00:15:00+00:00", True),  # 02:15, the first time
        ("2026-10-25T01:15:00+00:00", True),  # 02:15, again
        ("2026-10-25T01:45:00+00:00", False),  # 02:45, again
        ("2027-03-28T00:59:00+00:00", False),  # 01:59, then comes 03:00
        ("2027-03-28T01:00:00+00:00", False),  # 03:00: the window was skipped
    ],
)
def test_an_hour_that_comes_twice_is_frozen_twice(moment: str, expected: bool) -> None:
    """A window in the hour that summer time repeats closes both times; a skipped one never."""
    window = Freeze(start="Sun 02:00", end="Sun 02:30", timezone=BERLIN)
    assert frozen(window, moment) is expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-12-04T22:59:00+00:00", False),
        ("2026-12-04T23:00:00+00:00", True),
        ("2026-12-31T12:00:00+00:00", True),
        ("2027-01-06T22:59:59+00:00", True),
        ("2027-01-06T23:00:00+00:00", False),
    ],
)
@pytest.mark.parametrize("start", ["2026-12-05 00:00", "2026-12-5 0:00"])
def test_a_dated_window_is_compared_as_time_not_as_text(
    start: str, moment: str, expected: bool
) -> None:
    """The fifth of December comes before the thirty-first however it is written."""
    assert frozen(Freeze(start=start, end="2027-01-07 00:00", timezone=BERLIN), moment) is expected


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2027-01-06 00:00", "2026-12-20 00:00"),
        ("2026-12-20 00:00", "2026-12-20 00:00"),
        ("Fri 16:00", "fri 16:00"),
        ("Fri 16:00", "2026-12-20 00:00"),
        ("Friday", "Mon 07:00"),
    ],
)
def test_a_window_that_could_never_close_is_refused(start: str, end: str) -> None:
    """A freeze that would silently never hold is an error in the configuration."""
    with pytest.raises(ValidationError):
        Freeze(start=start, end=end)


WEEK = timedelta(days=7)
minutes = some.integers(min_value=0, max_value=7 * 24 * 60 - 1)


def weekly(minute: int) -> str:
    day, rest = divmod(minute, 24 * 60)
    return (
        f"{('Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun')[day]} {rest // 60:02}:{rest % 60:02}"
    )


@given(minutes, minutes, minutes)
def test_a_window_and_the_rest_of_the_week_are_the_week(start: int, end: int, now: int) -> None:
    """Swapping a window's ends freezes exactly what was free before."""
    if start == end:
        return
    moment = (datetime(2026, 11, 23, tzinfo=timezone.utc) + timedelta(minutes=now)).isoformat()
    window = Freeze(start=weekly(start), end=weekly(end))
    opposite = Freeze(start=weekly(end), end=weekly(start))
    assert frozen(window, moment) != frozen(opposite, moment)


@given(some.datetimes(timezones=some.just(ZoneInfo(BERLIN))))
def test_the_same_moment_is_judged_the_same_in_any_time_zone(moment: datetime) -> None:
    """What counts is the moment, not the zone that the caller's clock is in."""
    environment = Environment(freeze=(Freeze(start="Fri 16:00", end="Mon 07:00", timezone=BERLIN),))
    assert broken(environment, now=moment) == broken(
        environment, now=moment.astimezone(timezone.utc)
    )


SOAK, FREEZE = Violation("soak", "too fresh"), Violation("freeze", "it is Friday")


def test_breaking_a_rule_without_leave_is_refused_by_all_names() -> None:
    """The refusal says every rule that is broken, and the options that would break them."""
    with pytest.raises(PreconditionError) as refused:
        enforce([SOAK, FREEZE], [], "")
    assert refused.value.message == "too fresh; it is Friday"
    assert "--override soak --override freeze --reason" in refused.value.hint


def test_an_override_covers_its_own_rule_alone() -> None:
    """Leave to skip the soak is no leave to break the freeze."""
    with pytest.raises(PreconditionError) as refused:
        enforce([SOAK, FREEZE], ["soak"], "urgent")
    assert refused.value.message == "it is Friday"


def test_only_rules_that_were_broken_are_recorded_as_overridden() -> None:
    """An override of a rule that holds anyway leaves no trace."""
    assert enforce([SOAK], ["soak", "freeze"], "urgent") == ("soak",)


def test_an_override_without_a_reason_is_refused() -> None:
    """Whoever breaks a rule has to say why."""
    with pytest.raises(UsageError, match="--reason"):
        enforce([SOAK], ["soak"], "")


def test_an_override_of_no_rule_is_refused() -> None:
    """A name that is no rule's is answered with those that are."""
    with pytest.raises(UsageError, match="sok") as refused:
        enforce([], ["sok"], "urgent")
    assert "soak" in refused.value.hint
