"""The ledger's log: events read from commit messages, only as many as are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from buildonce.branch import Branch
from buildonce.ledger import environment_path

_RECORD, _FIELD = "\x1e", "\x1f"
_ENDINGS = {"done", "failed", "aborted"}
_EVENTS_A_PROMOTION = 4


@dataclass(frozen=True)
class Happening:
    """One event: when it was written, and its trailers."""

    at: datetime
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Promotion:
    """One promotion or rollback of an environment, from its intent to its outcome.

    ``outcome`` is ``in progress`` and ``took`` None while it is open.
    """

    sequence: int
    kind: str
    release: str
    previous: str
    actor: str
    host: str
    reason: str
    overrides: str
    started_at: datetime
    outcome: str
    took: timedelta | None
    message: str


def read_history(branch: Branch, environment: str, count: int) -> list[Promotion]:
    """Return the latest promotions of an environment, the newest first."""
    tip = branch.tip()
    if tip is None:
        return []
    wanted = count * _EVENTS_A_PROMOTION
    branch.deepen(wanted)
    log = branch.git.text(
        "log", f"--max-count={wanted}", f"--format={_RECORD}%ct{_FIELD}%(trailers:only,unfold)",
        tip, "--", environment_path(environment),
    )  # fmt: skip
    return _promotions(_happenings(log))[:count]


def _happenings(log: str) -> Iterator[Happening]:
    for record in log.split(_RECORD)[1:]:
        time, _, lines = record.partition(_FIELD)
        facts = dict(line.split(": ", 1) for line in lines.splitlines() if ": " in line)
        yield Happening(datetime.fromtimestamp(int(time), tz=timezone.utc), facts)


def _promotions(happenings: Iterable[Happening]) -> list[Promotion]:
    by_sequence: dict[int, list[Happening]] = {}
    for happening in happenings:
        by_sequence.setdefault(int(happening.facts.get("Sequence", "0")), []).append(happening)
    return [_promotion(sequence, events) for sequence, events in by_sequence.items()]


def _promotion(sequence: int, newest_first: list[Happening]) -> Promotion:
    last, first = newest_first[0], newest_first[-1]
    facts = first.facts
    outcome = last.facts.get("Event", "")
    ended = outcome in _ENDINGS
    return Promotion(
        sequence=sequence,
        kind=facts.get("Kind", ""),
        release=facts.get("Release", ""),
        previous=facts.get("Previous", ""),
        actor=facts.get("Actor", ""),
        host=facts.get("Host", ""),
        reason=facts.get("Reason", ""),
        overrides=facts.get("Overrides", ""),
        started_at=first.at,
        outcome=outcome if ended or outcome == "broken" else "in progress",
        took=last.at - first.at if ended else None,
        message=last.facts.get("Message", ""),
    )
