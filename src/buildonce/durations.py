"""Lengths of time as people write them: ``90s``, ``30m``, ``1h30m``, ``2d``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_PATTERN = r"(?:[0-9]+[dhms])+"


def parse_duration(text: str) -> timedelta:
    """Return the length of time that ``text`` stands for.

    Raises:
        ValueError: it is not made of numbers, each with its unit.
    """
    if not re.fullmatch(_PATTERN, text):
        raise ValueError("must look like '30m', '1h30m' or '2d'")
    parts = re.findall(r"([0-9]+)([dhms])", text)
    try:
        return sum((timedelta(**{_UNITS[unit]: int(n)}) for n, unit in parts), timedelta())
    except OverflowError:
        raise ValueError("is too large") from None


def format_duration(length: timedelta) -> str:
    """Return a length of time with its two largest units: ``1h 30m``, ``12s``.

    A negative one, which clocks that disagree lead to, is ``0s``.
    """
    seconds = max(0, int(length.total_seconds()))
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        number, seconds = divmod(seconds, size)
        if number or (unit == "s" and not parts):
            parts.append(f"{number}{unit}")
    return " ".join(parts[:2])


def _validate(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    return parse_duration(str(value))


Duration = Annotated[
    timedelta,
    BeforeValidator(_validate),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", "pattern": f"^{_PATTERN}$"}),
]
