"""What of the configuration belongs to a commit: what its services are, and are built from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildonce.config.overrides import with_defaults

OWN = ("services", "bases", "platform")
"""The keys of a commit's own. The others are the checkout's: places, rules, the ledger."""


def as_committed(
    merged: Mapping[str, Any], here: Mapping[str, Any], committed: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the table to build a commit with; it has no environments.

    Args:
        merged: the checkout's table under what overrides it.
        here: the checkout's table alone.
        committed: the commit's table.
    """
    others = {key: value for key, value in merged.items() if key not in (*OWN, "environments")}
    return {**others, **_overridden(_own(merged), _own(with_defaults(here)), _own(committed))}


def _own(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: table[key] for key in OWN if key in table}


def _overridden(
    merged: Mapping[str, Any], here: Mapping[str, Any], committed: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a commit's table, changed as the checkout's is by what overrides it."""
    table = {key: value for key, value in committed.items() if key in merged or key not in here}
    for key, value in merged.items():
        below, own = here.get(key), committed.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping) and isinstance(own, Mapping):
            table[key] = _overridden(value, below, own)
        elif key not in here or value != below:
            table[key] = value
    return table
