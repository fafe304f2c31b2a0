"""Which releases may go, and why the others stay: pure, from the ledger and a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from buildonce.config import Prune
from buildonce.durations import format_duration
from buildonce.ledger.records.release import Release
from buildonce.ledger.snapshot import Snapshot, environment_path, release_path


@dataclass(frozen=True)
class Decision:
    """What becomes of a release: why it is kept, or, without a reason to, that it goes."""

    sha: str
    release: Release
    kept: str

    @property
    def goes(self) -> bool:
        """Whether nothing keeps it."""
        return not self.kept


def decide(snapshot: Snapshot, policy: Prune, now: datetime) -> list[Decision]:
    """Return what becomes of every release, the newest first.

    An environment that is no longer configured still protects what it runs.
    """
    shas = snapshot.names("releases")
    snapshot.load(*(release_path(sha) for sha in shas))
    releases = [release for sha in shas if (release := snapshot.release(sha))]
    releases.sort(key=lambda release: (release.built_at, release.sha), reverse=True)
    needed = _needed(snapshot, policy)
    return [
        Decision(
            release.sha,
            release,
            needed.get(release.sha) or _kept_by_policy(place, release, policy, now),
        )
        for place, release in enumerate(releases)
    ]


def _needed(snapshot: Snapshot, policy: Prune) -> dict[str, str]:
    names = sorted({*snapshot.names("environments"), *snapshot.folders("runs")})
    snapshot.load(*(environment_path(name) for name in names))
    reasons: dict[str, str] = {}
    for name in names:
        record = snapshot.environment(name)
        if record.open is not None:
            for sha in filter(None, (record.open.release, record.open.previous)):
                reasons.setdefault(sha, f"a promotion of {name} in progress needs it")
        if record.release:
            reasons.setdefault(record.release, f"{name} runs it")
        for sha in snapshot.ways_back(record)[: policy.keep_rollbacks]:
            reasons.setdefault(sha, f"{name} could roll back to it")
    return reasons


def _kept_by_policy(place: int, release: Release, policy: Prune, now: datetime) -> str:
    if place < policy.keep_releases:
        return f"one of the newest {policy.keep_releases}"
    if now - release.built_at < policy.keep_for:
        return f"younger than {format_duration(policy.keep_for)}"
    return ""
