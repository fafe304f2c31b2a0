"""The ledger's history as plain git shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.kit.monorepo import LEDGER, Monorepo


def facts(repo: Monorepo) -> list[dict[str, str]]:
    """Every event of the remote's ledger, the oldest first, as plain git shows its trailers."""
    log = repo.git(
        "log", "--reverse", "--format=%x1e%(trailers:only,unfold)", LEDGER, cwd=repo.origin
    )
    return [
        dict(line.split(": ", 1) for line in event.splitlines() if line)
        for event in log.split("\x1e")[1:]
    ]


def is_open(record: Mapping[str, Any]) -> bool:
    """Whether an environment's record has a promotion in progress."""
    return bool(record["promotion"]) and record["promotion"]["finished_at"] is None
