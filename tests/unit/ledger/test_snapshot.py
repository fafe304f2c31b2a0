"""The ledger's present state: what an event leaves it in, and what is no record of its name."""

from __future__ import annotations

import pytest

from buildonce.errors import IntegrityError
from buildonce.ledger.records.record import Record
from buildonce.ledger.snapshot import Event, bundle_path, release_path
from tests.kit.samples import ledger, release

FIRST, SECOND = release(1), release(2)
BUNDLE = bundle_path("live", SECOND.sha, "compose")


def test_what_an_event_wrote_is_not_read_again() -> None:
    """Records, texts and what was removed are known of the state after it, without git."""
    before = ledger({release_path(FIRST.sha): FIRST})
    files: dict[str, Record | str | None] = {
        release_path(FIRST.sha): None,
        release_path(SECOND.sha): SECOND,
        BUNDLE: "services:",
    }
    after = before.followed_by("b" * 40, Event("build", (), files))
    assert after.release(FIRST.sha) is None
    assert after.release(SECOND.sha) == SECOND
    assert after.bundle("live", SECOND.sha, "compose") == "services:"
    assert before.release(FIRST.sha) == FIRST


def test_a_record_under_another_ones_name_is_told() -> None:
    """Whoever moved it is found with the command that is named."""
    with pytest.raises(IntegrityError, match=f"is the record of '{SECOND.sha}'") as caught:
        ledger({release_path(FIRST.sha): SECOND}).release(FIRST.sha)
    assert f":/{release_path(FIRST.sha)} " in caught.value.hint
