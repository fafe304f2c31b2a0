"""Lengths of time as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from buildonce.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("2d", 172800), ("0s", 0)]
)
def test_units_add_up(text: str, seconds: int) -> None:
    """A length is the sum of its numbers, each with its unit."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "30", "m", "30 m", "-5m", "1.5h", "1w", "1h 30m", "٣m"])
def test_what_is_no_length_is_refused(text: str) -> None:
    """Numbers without units, signs, fractions, spaces and other digits are not guessed at."""
    with pytest.raises(ValueError, match="must look like"):
        parse_duration(text)


def test_a_length_beyond_all_bounds_is_refused() -> None:
    """A number that no time can hold is an error of the configuration like any other."""
    with pytest.raises(ValueError, match="is too large"):
        parse_duration("999999999999d")


@given(some.timedeltas(min_value=timedelta(), max_value=timedelta(days=999)))
def test_the_two_largest_units_tell_a_length_almost(length: timedelta) -> None:
    """What people read is never more than the length, and less by a small part of it only."""
    read = parse_duration(format_duration(length).replace(" ", ""))
    assert read <= length < read + max(length / 24, timedelta(seconds=1))


@pytest.mark.parametrize("seconds", [-1, -3600])
def test_a_negative_length_is_none(seconds: int) -> None:
    """Where clocks disagree, nothing is told to last less than no time."""
    assert format_duration(timedelta(seconds=seconds)) == "0s"
