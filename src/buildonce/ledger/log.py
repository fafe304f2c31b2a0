"""The ledger's log: events read from commit messages, only as many as are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from buildonce.ledger.branch import Branch
from buildonce.ledger.snapshot import environment_path

_RECORD, _FIELD = "\x1e", "\x1f"
_ENDINGS = {"done", "failed", "aborted"}
_EVENTS_A_PROMOTION = 4


@dataclass(frozen=True)
class Happening:
    """One event: when and by whom it was written, and its trailers."""

    at: datetime
    by: str
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Promotion:
    """One promotion or rollback of an environment, from its intent to its outcome.

    ``outcome`` is ``in progress``, ``took`` None and ``ended_by`` empty while it is open.
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
    ended_by: str


def read_history(branch: Branch, environment: str, count: int) -> list[Promotion]:
    """Return the latest promotions of an environment, the newest first.

    Only as much of the log is read, and in a shallow clone fetched, as that takes.
    """
    tip = branch.tip()
    if tip is None:
        return []
    wanted = count * _EVENTS_A_PROMOTION
    while True:
        older_left = branch.deepen(wanted)
        happenings = _read(branch, tip, environment, wanted)
        promotions = _promotions(happenings, environment)
        if len(promotions) >= count or not (older_left or len(happenings) == wanted):
            return promotions[:count]
        wanted *= 4


def _read(branch: Branch, tip: str, environment: str, wanted: int) -> list[Happening]:
    log = branch.git.text(
        "log", "--no-show-signature", f"--max-count={wanted}",
        f"--format={_RECORD}%ct{_FIELD}%an <%ae>{_FIELD}%(trailers:only,unfold)",
        tip, "--", f":/{environment_path(environment)}",
    )  # fmt: skip
    return [_happening(*record.split(_FIELD, 2)) for record in log.split(_RECORD)[1:]]


def _happening(time: str, by: str, lines: str) -> Happening:
    facts = dict(line.split(": ", 1) for line in lines.splitlines() if ": " in line)
    return Happening(datetime.fromtimestamp(int(time), tz=timezone.utc), by, facts)


def _promotions(happenings: Iterable[Happening], environment: str) -> list[Promotion]:
    """Return the promotions whose intent is among the happenings.

    Others are left out: commits by hand and, where a shallow clone's history ends, a commit
    about something else.
    """
    by_sequence: dict[str, list[Happening]] = {}
    for happening in happenings:
        if happening.facts.get("Environment") == environment:
            by_sequence.setdefault(happening.facts.get("Sequence", ""), []).append(happening)
    return [
        _promotion(int(sequence), events)
        for sequence, events in by_sequence.items()
        if events[-1].facts.get("Event") == "opened" and sequence.isdecimal()
    ]


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
        ended_by=last.by if ended else "",
    )
