"""Evidence at a glance: what holds is one row for all services that it holds of."""

from __future__ import annotations

from collections.abc import Sequence

from buildonce.plan.building import listed
from buildonce.verify.evidence import Evidence


def grouped(rows: Sequence[Evidence]) -> list[Evidence]:
    """Return a row for each check of an environment that holds, and every row that does not."""
    groups: dict[tuple[object, ...], list[Evidence]] = {}
    for number, row in enumerate(rows):
        key = _key(row) if row.holds else (number,)
        groups.setdefault(key, []).append(row)
    return [_merged(group) for group in groups.values()]


def _key(row: Evidence) -> tuple[object, ...]:
    why = "" if row.checked else row.found
    return row.environment, _kind(row), row.mark, why


def _kind(row: Evidence) -> str:
    """Return a row's check without what is particular to its service."""
    return row.check.partition(",")[0]


def _merged(rows: Sequence[Evidence]) -> Evidence:
    first = rows[0]
    if len(rows) == 1:
        return first
    found = {row.found for row in rows}
    digests = all(value.startswith("sha256:") for value in found)
    several = f"{len(rows)} digests" if digests else f"{len(found)} values"
    shown = first.found if len(found) == 1 else several
    return Evidence(
        environment=first.environment,
        service=listed(list(dict.fromkeys(row.service for row in rows)), most=3),
        check=first.check if len({row.check for row in rows}) == 1 else _kind(first),
        where="",
        expected=shown if first.checked else first.expected,
        found=shown,
        checked=first.checked,
    )
