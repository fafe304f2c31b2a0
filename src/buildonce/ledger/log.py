"""The ledger's log: an environment's promotions, only as many as are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from buildonce.errors import IntegrityError
from buildonce.ledger.branch import Branch
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.records.promotion import Promotion
from buildonce.ledger.records.record import parse_record
from buildonce.ledger.snapshot import environment_path

_EVENTS_A_PROMOTION = 4


def read_history(branch: Branch, environment: str, count: int) -> list[Promotion]:
    """Return the latest promotions of an environment, the newest first.

    Each is as its latest event left it. Only as much of the log is read, and in a shallow
    clone fetched, as that takes. Commits that left no valid record of the environment, made
    by hand, are passed over.
    """
    tip = branch.tip()
    if tip is None:
        return []
    wanted = count * _EVENTS_A_PROMOTION
    while True:
        older_left = branch.deepen(wanted)
        commits = _commits(branch, tip, environment, wanted)
        latest: dict[int, Promotion] = {}
        for promotion in _promotions(branch, commits, environment):
            latest.setdefault(promotion.sequence, promotion)
        if len(latest) >= count or not (older_left or len(commits) == wanted):
            return list(latest.values())[:count]
        wanted *= 4


def _commits(branch: Branch, tip: str, environment: str, wanted: int) -> list[str]:
    return branch.git.text(
        "log", "--no-show-signature", f"--max-count={wanted}", "--format=%H",
        tip, "--", f":/{environment_path(environment)}",
    ).split()  # fmt: skip


def _promotions(branch: Branch, commits: list[str], environment: str) -> Iterator[Promotion]:
    """Give the promotion that each commit's record of the environment has."""
    path = environment_path(environment)
    for content in branch.git.blobs([f"{commit}:{path}" for commit in commits]):
        if content is None:
            continue
        try:
            record = parse_record(EnvironmentRecord, content, path)
        except IntegrityError:
            continue
        if record.promotion is not None:
            yield record.promotion
