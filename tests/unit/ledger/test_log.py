"""The log read as promotions: only whole ones, only as much as is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from buildonce.git.repository import Git
from buildonce.ledger.branch import Branch
from buildonce.ledger.log import read_history

RECORD, FIELD = "\x1e", "\x1f"


@dataclass
class FakeGit:
    """A git whose log is at hand, and that counts how much of it was read."""

    log: list[str] = field(default_factory=list)
    read: list[int] = field(default_factory=list)

    def text(self, *arguments: str) -> str:
        (count,) = [word for word in arguments if word.startswith("--max-count=")]
        self.read.append(int(count.partition("=")[2]))
        return "".join(self.log[: self.read[-1]])


class FakeBranch(Branch):
    """A branch with a log, the newest first; of a shallow clone's, `known` events are there."""

    def __init__(self, *events: dict[str, str], known: int | None = None) -> None:
        self.all = [_entry(second, facts) for second, facts in enumerate(reversed(events))]
        self.known = len(events) if known is None else known
        self.fake = FakeGit(self.all[: self.known])

    @property
    def git(self) -> Git:
        return self.fake  # type: ignore[return-value]

    def tip(self) -> str | None:
        return "tip" if self.all else None

    def move(self, _old: str | None, _new: str) -> bool:
        raise AssertionError("reading must not write")

    def deepen(self, commits: int) -> bool:
        self.fake.log = self.all[: max(commits, self.known)]
        return len(self.fake.log) < len(self.all)


def _entry(second: int, facts: dict[str, str]) -> str:
    by = facts.pop("by", "Dana <dana@example.org>")
    lines = "\n".join(f"{key}: {value}" for key, value in facts.items())
    return f"{RECORD}{1000 - second}{FIELD}{by}{FIELD}{lines}\n\n"


def event(what: str, sequence: int, environment: str = "staging", **more: str) -> dict[str, str]:
    facts = {"Event": what, "Environment": environment, "Sequence": str(sequence)}
    return {
        **facts,
        "Kind": "promotion",
        "Release": "a" * 12,
        "Actor": "Dana <dana@example.org>",
        **more,
    }


def test_before_the_first_event_there_is_no_history() -> None:
    """A ledger without a commit has no promotions."""
    assert read_history(FakeBranch(), "staging", 20) == []


def test_a_promotion_is_read_from_its_intent_to_its_outcome() -> None:
    """When, who, why and from what come from the intent; how it ended from the last event."""
    branch = FakeBranch(
        event("opened", 1, Previous="b" * 12, Host="ci", Reason="it is time", Overrides="soak"),
        event("broken", 1, Message="it fell over"),
        event("taken-over", 1, Host="laptop"),
        event("aborted", 1, Host="laptop", by="Olga <olga@example.org>"),
    )
    (promotion,) = read_history(branch, "staging", 20)
    assert promotion.started_at == datetime(1970, 1, 1, 0, 16, 37, tzinfo=timezone.utc)
    assert promotion.took == timedelta(seconds=3)
    assert (promotion.outcome, promotion.ended_by) == ("aborted", "Olga <olga@example.org>")
    assert (promotion.host, promotion.reason, promotion.overrides) == ("ci", "it is time", "soak")
    assert promotion.previous == "b" * 12


def test_an_open_promotion_is_in_progress() -> None:
    """What was taken over and not ended has no outcome, no end and nobody who ended it."""
    (promotion,) = read_history(
        FakeBranch(event("opened", 1), event("taken-over", 1)), "staging", 1
    )
    assert (promotion.outcome, promotion.took, promotion.ended_by) == ("in progress", None, "")


def test_a_broken_promotion_is_open_and_says_so() -> None:
    """What could neither finish nor be put back is shown as broken, with what was said."""
    branch = FakeBranch(event("opened", 1), event("broken", 1, Message="no registry"))
    (promotion,) = read_history(branch, "staging", 1)
    assert (promotion.outcome, promotion.took, promotion.message) == ("broken", None, "no registry")


def test_as_many_as_asked_for_the_newest_first() -> None:
    """The latest promotions come first, and no more than the number."""
    branch = FakeBranch(*(event(what, n) for n in range(1, 9) for what in ("opened", "done")))
    assert [one.sequence for one in read_history(branch, "staging", 3)] == [8, 7, 6]


def test_a_short_answer_reads_a_short_part_of_the_log() -> None:
    """However long the log is, what is read depends on what is asked for."""
    branch = FakeBranch(*(event(what, n) for n in range(1, 500) for what in ("opened", "done")))
    read_history(branch, "staging", 3)
    assert branch.fake.read == [12]


def test_a_promotion_of_many_events_is_read_to_its_intent() -> None:
    """One that was taken over again and again is still told from its beginning."""
    again = [event(what, 1) for _ in range(6) for what in ("broken", "taken-over")]
    branch = FakeBranch(event("opened", 1, Reason="the beginning"), *again, event("done", 1))
    (promotion,) = read_history(branch, "staging", 1)
    assert promotion.reason == "the beginning"
    assert promotion.took == timedelta(seconds=13)


def test_a_shallow_clone_fetches_until_it_has_enough() -> None:
    """Where other events lie between, more of the log is fetched until it is enough."""
    others = [event("done", n, "production") for n in range(40)]
    branch = FakeBranch(event("opened", 1), event("done", 1), *others, known=1)
    assert [one.sequence for one in read_history(branch, "staging", 1)] == [1]


def test_commits_that_are_no_events_of_the_environment_are_left_out() -> None:
    """Commits by hand and, at a shallow clone's end, others' events are not promotions."""
    branch = FakeBranch(
        {"Event": "built", "Release": "a" * 12},
        event("opened", 7, "production"),
        {},
        event("opened", 1),
        {"Event": "opened", "Environment": "staging", "Sequence": "many"},
        event("done", 1),
    )
    assert [one.sequence for one in read_history(branch, "staging", 20)] == [1]


def test_a_reason_may_hold_anything_a_line_can() -> None:
    """Colons and unusual characters in a reason are kept as they are."""
    reason = "see: ticket: 42 — “it is” | <b>fine</b>"
    (promotion,) = read_history(FakeBranch(event("opened", 1, Reason=reason)), "staging", 1)
    assert promotion.reason == reason
