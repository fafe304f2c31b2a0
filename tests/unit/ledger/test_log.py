"""The log read as promotions: each as it ended, only as many as are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from buildonce.git.repository import Git
from buildonce.ledger.branch import Branch
from buildonce.ledger.log import read_history
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.records.promotion import Promotion
from tests.kit.samples import DANA, LATER, empty, promotion, release, running

SECOND = release(2)


@dataclass
class FakeGit:
    """A git whose log is at hand, and that counts how much of it was read."""

    commits: list[str]
    contents: dict[str, bytes]
    read: list[int] = field(default_factory=list)

    def text(self, *arguments: str) -> str:
        (count,) = [word for word in arguments if word.startswith("--max-count=")]
        self.read.append(int(count.partition("=")[2]))
        return "\n".join(self.commits[: self.read[-1]])

    def blobs(self, names: Sequence[str]) -> list[bytes | None]:
        return [self.contents.get(name.partition(":")[0]) for name in names]


class FakeBranch(Branch):
    """A branch of records, the newest first; of a shallow clone's, `known` commits are there."""

    def __init__(self, *records: EnvironmentRecord | bytes, known: int | None = None) -> None:
        contents = [one if isinstance(one, bytes) else one.to_json().encode() for one in records]
        self.all = [str(number) for number in reversed(range(len(contents)))]
        self.known = len(records) if known is None else known
        by_commit = {str(number): content for number, content in enumerate(contents)}
        self.fake = FakeGit(self.all[: self.known], by_commit)

    @property
    def git(self) -> Git:
        return self.fake  # type: ignore[return-value]

    def tip(self) -> str | None:
        return "tip" if self.all else None

    def move(self, _old: str | None, _new: str) -> bool:
        raise AssertionError("reading must not write")

    def deepen(self, commits: int) -> bool:
        self.fake.commits = self.all[: max(commits, self.known)]
        return len(self.fake.commits) < len(self.all)


def promoted(times: int) -> list[EnvironmentRecord]:
    """The records that so many promotions leave, opened and done, the oldest first."""
    records, record = [], empty()
    for number in range(times):
        opened = record.opened(promotion(release(number), record))
        record = opened.done(LATER, DANA)
        records += [opened, record]
    return records


def sequences(promotions: Sequence[Promotion]) -> list[int]:
    return [past.sequence for past in promotions]


def test_before_the_first_event_there_is_no_history() -> None:
    """A ledger without a commit has no promotions."""
    assert read_history(FakeBranch(), "staging", 20) == []


def test_a_promotion_is_told_as_its_latest_event_left_it() -> None:
    """Opened, broken, taken over and aborted: one promotion, with how it ended."""
    record = running(release(1))
    opened = record.opened(promotion(SECOND, record, reason="it is time"))
    broken = opened.broken("it fell over")
    taken = broken.taken_over("other", "server")
    aborted = taken.undone("aborted", LATER, "Olga <olga@example.org>", "")
    (ended,) = read_history(FakeBranch(opened, broken, taken, aborted), "staging", 20)
    assert (ended.outcome, ended.ended_by) == ("aborted", "Olga <olga@example.org>")
    assert (ended.reason, ended.finished_at, ended.previous) == (
        "it is time", LATER, release(1).sha,
    )  # fmt: skip


def test_an_open_promotion_has_no_end() -> None:
    """What was not ended has no end and nobody who ended it."""
    (latest,) = read_history(FakeBranch(empty().opened(promotion(SECOND))), "staging", 1)
    assert (latest.outcome, latest.finished_at, latest.ended_by) == ("open", None, "")


def test_as_many_as_asked_for_the_newest_first() -> None:
    """The latest promotions come first, and no more than the number."""
    assert sequences(read_history(FakeBranch(*promoted(8)), "staging", 3)) == [8, 7, 6]


def test_a_short_answer_reads_a_short_part_of_the_log() -> None:
    """However long the log is, what is read depends on what is asked for."""
    branch = FakeBranch(*promoted(200))
    read_history(branch, "staging", 3)
    assert branch.fake.read == [12]


def test_a_promotion_of_many_events_does_not_hide_the_one_before() -> None:
    """Where one promotion fills what was read, more is read."""
    record = promoted(1)[-1]
    opened = record.opened(promotion(SECOND, record))
    again = [after for _ in range(9) for after in (opened.broken("x"), opened)]
    branch = FakeBranch(*promoted(1), opened, *again)
    assert sequences(read_history(branch, "staging", 2)) == [2, 1]


def test_a_shallow_clone_fetches_until_it_has_enough() -> None:
    """Where the history that is there is too short, more of it is fetched."""
    branch = FakeBranch(*promoted(3), known=1)
    assert sequences(read_history(branch, "staging", 3)) == [3, 2, 1]


def test_commits_that_left_no_record_are_passed_over() -> None:
    """A record that was deleted or written by hand is no promotion."""
    branch = FakeBranch(b"by hand", *promoted(1), b"{}")
    del branch.fake.contents["0"]
    assert sequences(read_history(branch, "staging", 20)) == [1]
