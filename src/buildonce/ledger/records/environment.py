"""An environment's record and how a promotion changes it: pure, no clock, no file."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from buildonce.ledger.records.record import Record, Time

Kind = Literal["promotion", "rollback"]
Outcome = Literal["done", "failed", "aborted"]

GOOD_KEPT = 20
"""How many distinct releases an environment's record remembers as having been good there."""


class Operation(Record):
    """A promotion, from its intent to its outcome. ``id`` names it and its present holder."""

    id: str
    kind: Kind
    sequence: int
    release: str
    previous: str | None
    actor: str
    host: str
    reason: str = ""
    overrides: tuple[str, ...] = ()
    irreversible: bool = False
    started_at: Time


class Good(Record):
    """A release that became good in an environment, by the promotion ``sequence``.

    ``irreversible`` says that the release before it is no way back.
    """

    release: str
    sequence: int
    at: Time
    irreversible: bool = False


class Last(Record):
    """How the latest promotion ended."""

    operation: Operation
    outcome: Outcome
    finished_at: Time
    message: str = ""


class EnvironmentRecord(Record):
    """``environments/<name>.json``: what an environment runs, and the promotion in progress.

    ``release`` is what it runs, or ran before the open ``operation``. ``broken`` says that an
    operation could neither finish nor put things back.
    """

    environment: str
    sequence: int = 0
    state: Literal["empty", "promoting", "done", "failed", "broken"] = "empty"
    release: str | None = None
    operation: Operation | None = None
    good: tuple[Good, ...] = ()
    last: Last | None = None

    def opened(self, operation: Operation) -> EnvironmentRecord:
        """Return the record with ``operation`` in progress: from now on it is the lock."""
        return self.model_copy(
            update={
                "state": "promoting",
                "sequence": operation.sequence,
                "operation": operation,
            }
        )

    def taken(self, operation_id: str, host: str) -> EnvironmentRecord:
        """Return the record with the open operation in another holder's hands."""
        assert self.operation is not None
        held = self.operation.model_copy(update={"id": operation_id, "host": host})
        return self.model_copy(update={"state": "promoting", "operation": held})

    def done(self, at: datetime) -> EnvironmentRecord:
        """Return the record after the open operation's success."""
        assert self.operation is not None
        good = Good(
            release=self.operation.release,
            sequence=self.operation.sequence,
            at=at,
            irreversible=self.operation.irreversible or self._repaired_irreversible(),
        )
        others = tuple(one for one in self.good if one.release != good.release)
        return self._ended(
            "done", at, state="done", release=good.release, good=(good, *others)[:GOOD_KEPT]
        )

    def _repaired_irreversible(self) -> bool:
        assert self.operation is not None
        is_repair = self.operation.release == self.release
        return is_repair and bool(self.good) and self.good[0].irreversible

    def put_back(self, outcome: Outcome, at: datetime, message: str) -> EnvironmentRecord:
        """Return the record after the open operation failed, or was aborted, and is undone."""
        state = "failed" if self.release else "empty"
        return self._ended(outcome, at, message=message, state=state)

    def broke(self) -> EnvironmentRecord:
        """Return the record of an operation that is still open and could not be put back."""
        return self.model_copy(update={"state": "broken"})

    def _ended(
        self, outcome: Outcome, at: datetime, *, message: str = "", **update: object
    ) -> EnvironmentRecord:
        assert self.operation is not None
        last = Last(operation=self.operation, outcome=outcome, finished_at=at, message=message)
        return self.model_copy(update={"operation": None, "last": last, **update})


class Standing(Record):
    """``standings/<environment>/<sha>.json``: what became of a release in an environment.

    ``until`` is when another release took its place; ``held`` says why it may not come back
    without a reason; ``pruned``, that it says nothing of the bytes that a later build has.
    """

    release: str
    sequence: int
    since: Time
    until: Time | None = None
    held: str = ""
    pruned: bool = False
