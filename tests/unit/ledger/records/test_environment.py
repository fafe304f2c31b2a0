"""An environment's record: what each outcome of a promotion leaves."""

from __future__ import annotations

from buildonce.ledger.records.environment import GOOD_KEPT
from tests.unit.samples import LATER, empty, operation, release, running

FIRST, SECOND = release(1), release(2)


def test_opening_holds_the_environment_and_changes_nothing_else() -> None:
    """While a promotion is in progress the environment still runs what it ran."""
    record = running(FIRST)
    opened = record.opened(operation(SECOND, record))
    assert (opened.state, opened.sequence) == ("promoting", 2)
    assert opened.operation is not None
    assert (opened.release, opened.good, opened.last) == (FIRST.sha, record.good, record.last)


def test_success_makes_the_release_run_and_good() -> None:
    """After it, nothing holds the environment and the release is the latest good one."""
    record = running(FIRST)
    done = record.opened(operation(SECOND, record)).done(LATER)
    assert (done.state, done.release, done.operation) == ("done", SECOND.sha, None)
    assert [good.release for good in done.good] == [SECOND.sha, FIRST.sha]
    assert done.last is not None
    assert (done.last.outcome, done.last.finished_at) == ("done", LATER)


def test_what_cannot_be_undone_stays_so_until_another_release_runs() -> None:
    """A repair of it, or an attempt at another, does not make the way back safe."""
    record = running(FIRST)
    record = record.opened(operation(SECOND, record, irreversible=True)).done(LATER)
    repaired = record.opened(operation(SECOND, record)).done(LATER)
    failed = record.opened(operation(FIRST, record)).put_back("failed", LATER, "no answer")
    followed = record.opened(operation(FIRST, record)).done(LATER)
    latest = [one.good[0].irreversible for one in (record, repaired, failed, followed)]
    assert latest == [True, True, True, False]


def test_an_irreversible_attempt_that_was_put_back_leaves_no_trace() -> None:
    """What runs is as reversible as it was."""
    record = running(FIRST)
    begun = record.opened(operation(SECOND, record, irreversible=True))
    assert not begun.put_back("aborted", LATER, "").good[0].irreversible


def test_failure_leaves_the_release_before() -> None:
    """A promotion that was put back leaves the old release, the reason, and no hold."""
    record = running(FIRST)
    failed = record.opened(operation(SECOND, record)).put_back("failed", LATER, "no answer")
    assert (failed.state, failed.release, failed.operation) == ("failed", FIRST.sha, None)
    assert failed.good == record.good
    assert failed.last is not None
    assert (failed.last.outcome, failed.last.message) == ("failed", "no answer")


def test_failure_of_the_first_leaves_it_empty() -> None:
    """Where nothing ran before, nothing runs after."""
    record = empty()
    aborted = record.opened(operation(FIRST, record)).put_back("aborted", LATER, "")
    assert (aborted.state, aborted.release) == ("empty", None)


def test_sequence_numbers_are_never_used_again() -> None:
    """A promotion that failed keeps its number; the next one has the number after it."""
    record = running(FIRST)
    failed = record.opened(operation(SECOND, record)).put_back("failed", LATER, "")
    assert operation(SECOND, failed).sequence == record.sequence + 2


def test_taking_over_changes_the_holder_alone() -> None:
    """The promotion stays the same but for its holder's name and place."""
    record = empty()
    opened = record.opened(operation(FIRST, record))
    taken = opened.taken("another", "server")
    assert taken.operation is not None
    assert opened.operation is not None
    changed = {"id": "another", "host": "server"}
    assert taken.operation == opened.operation.model_copy(update=changed)


def test_broken_stays_open_until_somebody_ends_it() -> None:
    """What could not be put back still holds the environment, and can be taken over."""
    record = empty()
    broken = record.opened(operation(FIRST, record)).broke()
    assert (broken.state, broken.operation is None) == ("broken", False)
    assert broken.taken("another", "server").state == "promoting"


def test_a_release_that_comes_back_is_good_once() -> None:
    """The list of good releases has each one once, the latest first."""
    record = running(FIRST)
    for one in (SECOND, FIRST, SECOND):
        record = record.opened(operation(one, record)).done(LATER)
    assert [good.release for good in record.good] == [SECOND.sha, FIRST.sha]


def test_the_list_of_good_releases_ends() -> None:
    """However many promotions there were, the record stays small."""
    record = empty()
    for number in range(GOOD_KEPT + 5):
        record = record.opened(operation(release(number), record)).done(LATER)
    assert len(record.good) == GOOD_KEPT
    assert record.good[0].release == release(GOOD_KEPT + 4).sha
