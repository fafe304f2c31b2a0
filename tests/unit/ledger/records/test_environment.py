"""An environment's record: what each outcome of a promotion leaves."""

from __future__ import annotations

from buildonce.ledger.records.environment import SUCCESSES_KEPT
from tests.kit.samples import DANA, LATER, empty, promotion, release, running

FIRST, SECOND = release(1), release(2)


def test_opening_locks_the_environment_and_changes_nothing_else() -> None:
    """While a promotion is in progress the environment still runs what it ran."""
    record = running(FIRST)
    begun = promotion(SECOND, record)
    opened = record.opened(begun)
    assert (opened.open, opened.sequence) == (begun, 2)
    assert (opened.release, opened.successes) == (FIRST.sha, record.successes)


def test_success_makes_the_release_the_one_that_runs() -> None:
    """After it, nothing locks the environment and the release is the latest success."""
    record = running(FIRST)
    done = record.opened(promotion(SECOND, record)).done(LATER, DANA)
    assert (done.release, done.open) == (SECOND.sha, None)
    assert [success.release for success in done.successes] == [SECOND.sha, FIRST.sha]
    assert done.promotion is not None
    assert (done.promotion.outcome, done.promotion.finished_at) == ("done", LATER)
    assert done.promotion.ended_by == DANA


def test_what_cannot_be_undone_stays_so_until_another_release_runs() -> None:
    """A repair of it, or an attempt at another, does not make the way back safe."""
    record = running(FIRST)
    record = record.opened(promotion(SECOND, record, irreversible=True)).done(LATER, DANA)
    repaired = record.opened(promotion(SECOND, record)).done(LATER, DANA)
    failed = record.opened(promotion(FIRST, record)).undone("failed", LATER, DANA, "no answer")
    followed = record.opened(promotion(FIRST, record)).done(LATER, DANA)
    latest = [after.successes[0].irreversible for after in (record, repaired, failed, followed)]
    assert latest == [True, True, True, False]


def test_an_irreversible_attempt_that_was_put_back_leaves_no_trace() -> None:
    """What runs is as reversible as it was."""
    record = running(FIRST)
    begun = record.opened(promotion(SECOND, record, irreversible=True))
    assert not begun.undone("aborted", LATER, DANA, "").successes[0].irreversible


def test_failure_leaves_the_release_before() -> None:
    """A promotion that was put back leaves the old release, the reason, and no lock."""
    record = running(FIRST)
    failed = record.opened(promotion(SECOND, record)).undone("failed", LATER, DANA, "no answer")
    assert (failed.release, failed.open) == (FIRST.sha, None)
    assert failed.successes == record.successes
    assert failed.promotion is not None
    assert (failed.promotion.outcome, failed.promotion.message) == ("failed", "no answer")


def test_failure_of_the_first_leaves_it_empty() -> None:
    """Where nothing ran before, nothing runs after."""
    record = empty()
    aborted = record.opened(promotion(FIRST, record)).undone("aborted", LATER, DANA, "")
    assert (aborted.release, aborted.successes) == (None, ())


def test_sequence_numbers_are_never_used_again() -> None:
    """A promotion that failed keeps its number; the next one has the number after it."""
    record = running(FIRST)
    failed = record.opened(promotion(SECOND, record)).undone("failed", LATER, DANA, "")
    assert promotion(SECOND, failed).sequence == record.sequence + 2


def test_taking_over_changes_the_holder_alone() -> None:
    """The promotion stays the same but for its holder's name and place."""
    record = empty()
    begun = promotion(FIRST, record)
    taken = record.opened(begun).taken_over("another", "server")
    assert taken.open == begun.model_copy(update={"id": "another", "host": "server"})


def test_broken_stays_open_until_somebody_ends_it() -> None:
    """What could not be put back still locks the environment, and can be taken over."""
    record = empty()
    broken = record.opened(promotion(FIRST, record)).broken("no registry")
    assert broken.open is not None
    assert (broken.open.outcome, broken.open.message) == ("broken", "no registry")
    taken = broken.taken_over("another", "server").open
    assert taken is not None
    assert taken.outcome == "open"


def test_a_release_that_comes_back_is_one_success() -> None:
    """The list of successes has each release once, the latest first."""
    record = running(FIRST)
    for again in (SECOND, FIRST, SECOND):
        record = record.opened(promotion(again, record)).done(LATER, DANA)
    assert [success.release for success in record.successes] == [SECOND.sha, FIRST.sha]


def test_the_list_of_successes_ends() -> None:
    """However many promotions there were, the record stays small."""
    record = empty()
    for number in range(SUCCESSES_KEPT + 5):
        record = record.opened(promotion(release(number), record)).done(LATER, DANA)
    assert len(record.successes) == SUCCESSES_KEPT
    assert record.successes[0].release == release(SUCCESSES_KEPT + 4).sha


def test_what_was_irreversible_is_never_forgotten() -> None:
    """However long ago, going back over it asks for a reason."""
    record = empty()
    for number in range(SUCCESSES_KEPT + 5):
        begun = promotion(release(number), record, irreversible=number == 1)
        record = record.opened(begun).done(LATER, DANA)
    assert [past.release for past in record.successes if past.irreversible] == [release(1).sha]
    assert release(1).sha in {past.release for past in record.passed_over(release(0).sha)}
