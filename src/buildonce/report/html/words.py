"""Times, durations and sizes as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from buildonce.report.html.markup import Markup, element

LONGEST_SUBJECT = 120
"""Characters of a subject that are shown."""

NAMED = 4
"""How many services are named where there are more."""

_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def duration(length: timedelta) -> str:
    """Return a duration by its largest unit: ``3 d``, ``40 min``, ``12 s``."""
    seconds = max(int(length.total_seconds()), 0)
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds} s"


def moment(at: datetime) -> Markup:
    """Return a time, for people and machines."""
    return element("time", f"{at:%Y-%m-%d %H:%M} UTC", datetime=at.isoformat())


def size(octets: float) -> str:
    """Return a size in the decimal units that registries use: ``48.2 MB``."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if octets >= factor:
            return f"{octets / factor:.1f} {unit}"
    return f"{octets:.0f} B"


def person(actor: str) -> str:
    """Return a name without its address."""
    return actor.partition(" <")[0]


def checks(number: int) -> str:
    """Return a number of checks with its verb: ``1 check does``, ``2 checks do``."""
    return "1 check does" if number == 1 else f"{number} checks do"


def commits(number: int) -> str:
    """Return a number of commits: ``1 commit``, ``2 commits``."""
    return "1 commit" if number == 1 else f"{number} commits"


def subject(text: str) -> str:
    """Return the subject of a commit, cut off where it is as long as a message."""
    return text if len(text) <= LONGEST_SUBJECT else f"{text[:LONGEST_SUBJECT]}…"


def listed(names: Sequence[str]) -> str:
    """Return names in a row, and how many more there are: ``api, web and 28 more``."""
    if len(names) <= NAMED + 1:
        return ", ".join(names)
    return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"


def precise(length: timedelta) -> str:
    """Return a duration like ``duration``, with a decimal where it counts: ``1.5 d``."""
    seconds = max(length.total_seconds(), 0)
    unit, size = next((one for one in _UNITS if seconds >= one[1]), ("s", 1))
    return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
