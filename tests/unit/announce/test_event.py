"""How a promotion ended, as the event that `notify` gets."""

from __future__ import annotations

import pytest

from buildonce.announce.event import event_of
from tests.kit.samples import NOON, promotion, release, running

BEGUN = promotion(release(2), running(release(1)))


@pytest.mark.parametrize(
    ("changed", "event", "text"),
    [
        ({"outcome": "done"}, "done", "staging runs aaaaaaaaaaa2 (before: aaaaaaaaaaa1)"),
        (
            {"outcome": "done", "kind": "rollback", "reason": "slow"},
            "rolled-back",
            "staging was rolled back to aaaaaaaaaaa2 (from aaaaaaaaaaa1): slow",
        ),
        (
            {"outcome": "failed", "message": "api is unhealthy"},
            "failed",
            f"{BEGUN.title} failed: api is unhealthy; staging runs aaaaaaaaaaa1",
        ),
        ({"outcome": "aborted"}, "aborted", f"{BEGUN.title} aborted; staging runs aaaaaaaaaaa1"),
        (
            {"outcome": "broken", "message": "no engine"},
            "broken",
            f"{BEGUN.title} failed, and the previous release could not be restored: no engine",
        ),
    ],
)
def test_an_event_says_what_happened(changed: dict[str, str], event: str, text: str) -> None:
    """Each outcome has a word for programs and a sentence for people."""
    made = event_of(BEGUN.model_copy(update=changed))
    assert (made["event"], made["text"]) == (event, text)


def test_an_event_has_the_records_fields() -> None:
    """Who, when and what are the ledger's own, as JSON has them."""
    made = event_of(BEGUN.model_copy(update={"outcome": "done", "finished_at": NOON}))
    assert made["environment"] == "staging"
    assert made["release"] == "aaaaaaaaaaa2"
    assert made["actor"] == BEGUN.actor
    assert made["finished_at"] == "2026-11-23T12:00:00Z"
    assert "id" not in made
