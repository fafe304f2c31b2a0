"""What pruning may never take, whatever the policy is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from buildonce.config import Prune
from buildonce.errors import IntegrityError
from buildonce.git.repository import Git
from buildonce.ledger.records.environment import EnvironmentRecord, RunRecord
from buildonce.ledger.records.promotion import Promotion
from buildonce.ledger.records.record import Record
from buildonce.ledger.records.release import Release
from buildonce.ledger.snapshot import (
    Snapshot,
    environment_path,
    release_path,
    run_path,
)
from buildonce.plan.retention import decide

NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)
LONG_AGO = NOW - timedelta(days=365)
KEEP_ALMOST_NOTHING = Prune(keep_releases=1, keep_for="0s", keep_rollbacks=1)


@dataclass
class Story:
    """A ledger in the making: releases are built, and promoted, one after another."""

    releases: list[str] = field(default_factory=list)
    records: dict[str, EnvironmentRecord] = field(default_factory=dict)
    runs: dict[str, RunRecord] = field(default_factory=dict)

    def build(self) -> str:
        self.releases.append(f"{len(self.releases):012x}")
        return self.releases[-1]

    def begin(self, environment: str, sha: str) -> None:
        record = self.record(environment)
        self.records[environment] = record.opened(
            Promotion(
                environment=environment, id="id", sequence=record.sequence + 1, release=sha,
                previous=record.release, actor="a", host="h", started_at=NOW,
            )
        )  # fmt: skip

    def end(self, environment: str) -> None:
        record = self.record(environment).done(NOW, "a")
        self.records[environment] = record
        assert record.release is not None
        path = run_path(environment, record.release)
        self.runs[path] = RunRecord(release=record.release, sequence=1, since=NOW)

    def promote(self, environment: str, sha: str) -> None:
        self.begin(environment, sha)
        self.end(environment)

    def block(self, environment: str, sha: str) -> None:
        path = run_path(environment, sha)
        self.runs[path] = self.runs[path].model_copy(update={"blocked": "it was bad"})

    def record(self, environment: str) -> EnvironmentRecord:
        return self.records.get(environment, EnvironmentRecord(environment=environment))

    def reasons(self, policy: Prune = KEEP_ALMOST_NOTHING) -> dict[str, str]:
        """Why each release stays; nothing where it goes."""
        return {one.sha: one.kept for one in decide(self.snapshot(), policy, NOW)}

    def snapshot(self) -> Snapshot:
        files: dict[str, Record] = {
            **{release_path(sha): _release(sha, age) for age, sha in enumerate(self.releases)},
            **{environment_path(name): record for name, record in self.records.items()},
            **self.runs,
        }
        return InMemory(files)


class InMemory(Snapshot):
    """A snapshot of files that no git ever saw."""

    def __init__(self, files: dict[str, Record]) -> None:
        written = {path: record.to_json().encode() for path, record in files.items()}
        super().__init__(Git(Path()), None, dict(written))
        self._paths.update(written)

    @property
    def _paths(self) -> dict[str, bytes | None]:
        return self._files

    def folders(self, folder: str) -> list[str]:
        inside = [path for path, text in self._paths.items() if text and path.startswith(folder)]
        return sorted({path.removeprefix(f"{folder}/").partition("/")[0] for path in inside})


def _release(sha: str, order: int) -> Release:
    built = LONG_AGO + timedelta(minutes=order)
    return Release(
        revision=sha.ljust(40, "0"), sha=sha, expects=(), services={},
        built_at=built, built_by="b", built_with="w",
    )  # fmt: skip


@pytest.fixture
def story() -> Story:
    return Story()


def test_what_nothing_needs_goes(story: Story) -> None:
    """A release that ran nowhere, is old and not among the newest, has no reason to stay."""
    old, new = story.build(), story.build()
    assert story.reasons() == {new: "one of the newest 1", old: ""}


def test_the_policy_keeps_the_newest_and_the_young(story: Story) -> None:
    """Numbers and ages are kept as configured, and each is given as the reason."""
    shas = [story.build() for _ in range(4)]
    kept = story.reasons(Prune(keep_releases=2, keep_for="1d", keep_rollbacks=1))
    assert [bool(kept[sha]) for sha in shas] == [False, False, True, True]
    kept = story.reasons(Prune(keep_releases=1, keep_for="365d", keep_rollbacks=1))
    assert [kept[sha].partition(" ")[0] for sha in shas] == ["", "younger", "younger", "one"]


def test_what_an_environment_runs_stays(story: Story) -> None:
    """The running release stays, also of an environment that is no longer configured."""
    running = story.build()
    story.promote("forgotten", running)
    story.build()
    assert story.reasons()[running] == "forgotten runs it"


def test_a_promotion_in_progress_keeps_both_its_releases(story: Story) -> None:
    """Neither where it goes nor where it would be put back to may vanish under it."""
    running, coming = story.build(), story.build()
    story.build()
    story.promote("staging", running)
    story.begin("staging", coming)
    expected = "a promotion of staging in progress needs it"
    assert [story.reasons()[sha] for sha in (running, coming)] == [expected, expected]


def test_the_last_releases_to_roll_back_to_stay(story: Story) -> None:
    """As many ways back as configured stay, counted from what runs."""
    shas = [story.build() for _ in range(5)]
    for sha in shas:
        story.promote("staging", sha)
    kept = story.reasons(Prune(keep_releases=1, keep_for="0s", keep_rollbacks=2))
    assert [bool(kept[sha]) for sha in shas] == [False, False, True, True, True]


def test_a_release_that_is_blocked_is_no_way_back(story: Story) -> None:
    """A rollback would skip a blocked release, so the one that it would choose stays instead."""
    good, bad, running = (story.build() for _ in range(3))
    for sha in (good, bad, running):
        story.promote("staging", sha)
    story.block("staging", bad)
    story.build()
    assert story.reasons()[good] == "staging could roll back to it"
    assert story.reasons()[bad] == ""


def test_nothing_is_decided_where_a_record_is_gone(story: Story) -> None:
    """Where releases ran and the environment's record is missing, pruning stops."""
    story.promote("staging", story.build())
    del story.records["staging"]
    with pytest.raises(IntegrityError, match=r"environments/staging\.json is gone"):
        story.reasons()


NAMES = ("staging", "production")
moves = some.lists(
    some.tuples(
        some.sampled_from(["build", "promote", "promote", "begin", "block"]),
        some.sampled_from(NAMES),
        some.integers(0, 30),
    ),
    max_size=30,
)
policies = some.builds(
    Prune,
    keep_releases=some.integers(1, 5),
    keep_for=some.sampled_from(["0s", "364d", "900d"]),
    keep_rollbacks=some.integers(1, 20),
)


@given(moves, policies)
def test_no_policy_takes_what_is_needed(moves: list[tuple[str, str, int]], policy: Prune) -> None:
    """Whatever happened and whatever is configured, the running release and the ways back stay."""
    story = Story()
    for what, environment, number in moves:
        _play(story, what, environment, number)
    reasons, snapshot = story.reasons(policy), story.snapshot()
    for record in story.records.values():
        begun = record.open
        needed = {record.release, *snapshot.ways_back(record)[: policy.keep_rollbacks]}
        needed |= {begun.release, begun.previous} if begun else set()
        assert all(reasons[sha] for sha in needed if sha)


def _play(story: Story, what: str, environment: str, number: int) -> None:
    if what == "build" or not story.releases:
        story.build()
        return
    sha = story.releases[number % len(story.releases)]
    record = story.record(environment)
    if what == "block":
        past = [done.release for done in record.successes if done.release != record.release]
        if past:
            story.block(environment, past[number % len(past)])
    elif record.open is None:
        story.begin(environment, sha)
        if what == "promote":
            story.end(environment)
