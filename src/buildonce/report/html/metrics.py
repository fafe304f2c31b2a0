"""DORA's four measures of software delivery, from an environment's deployments.

They are computed as https://dora.dev/guides/dora-metrics-four-keys/ describes them, of what the
ledger knows: a failure is a promotion that failed and was put back, could not be put back, or
was rolled back from. What broke without a rollback is not in the ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from buildonce.report.html.model import Deployment

WEEKS = 12
"""How many weeks the deployment frequency is shown for."""

_FAILED = ("failed", "broken")


@dataclass(frozen=True)
class Point:
    """A measured duration, and of which deployment."""

    at: datetime
    took: timedelta
    release: str


@dataclass(frozen=True)
class Metrics:
    """The four measures; ``weeks`` are (Monday, successful promotions), the oldest first."""

    weeks: tuple[tuple[datetime, int], ...]
    lead_times: tuple[Point, ...]
    attempts: int
    failures: int
    restores: tuple[Point, ...]

    @property
    def failure_rate(self) -> float | None:
        """The share of promotions that failed; None without any."""
        return self.failures / self.attempts if self.attempts else None


def measure(deployments: Sequence[Deployment], now: datetime) -> Metrics:
    """Measure one environment's deployments, the oldest first."""
    promotions = [one for one in deployments if one.kind == "promotion"]
    shipped = [one for one in promotions if one.outcome == "done"]
    ended = [one for one in promotions if one.outcome in ("done", *_FAILED)]
    restores = _restores(deployments)
    broken = [one for one in promotions if one.outcome == "broken"]
    return Metrics(
        weeks=_weeks(shipped, now),
        lead_times=tuple(
            Point(one.ended_at, _median([one.ended_at - at for at in one.commits]), one.release)
            for one in shipped
            if one.commits
        ),
        attempts=len(ended),
        failures=len(restores) + len(broken),
        restores=restores,
    )


def typical(points: Sequence[Point]) -> timedelta | None:
    """Return the median of what was measured; None of nothing."""
    return _median([point.took for point in points]) if points else None


def _restores(deployments: Sequence[Deployment]) -> tuple[Point, ...]:
    """Return how long each failure lasted, until the release before it ran again."""
    found: list[Point] = []
    serving: Deployment | None = None
    for one in deployments:
        if one.outcome == "failed" and one.kind == "promotion" and one.took is not None:
            found.append(Point(one.ended_at, one.took, one.release))
        if one.outcome != "done":
            continue
        if one.kind == "rollback" and serving is not None and serving.kind == "promotion":
            found.append(Point(one.ended_at, one.ended_at - serving.ended_at, serving.release))
        serving = one
    return tuple(found)


def _weeks(shipped: Sequence[Deployment], now: datetime) -> tuple[tuple[datetime, int], ...]:
    this_week = _monday(now)
    counted = Counter(_monday(one.ended_at) for one in shipped)
    weeks = [this_week - timedelta(weeks=back) for back in range(WEEKS - 1, -1, -1)]
    return tuple((week, counted[week]) for week in weeks)


def _monday(at: datetime) -> datetime:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())


def _median(durations: Sequence[timedelta]) -> timedelta:
    return timedelta(seconds=median(one.total_seconds() for one in durations))
