"""An environment's record and how a promotion changes it: pure, no clock, no file."""

from __future__ import annotations

from datetime import datetime

from buildonce.ledger.records.promotion import Ending, Promotion
from buildonce.ledger.records.record import Record, Time

SUCCESSES_KEPT = 20
"""How many distinct releases an environment's record remembers as having run there, besides those
that were irreversible."""


class Success(Record):
    """A release that an environment ran, by the promotion ``sequence``.

    ``services`` are those of it that ran, none for all of them; ``irreversible`` says that the
    release before it is no way back.
    """

    release: str
    sequence: int
    at: Time
    services: tuple[str, ...] = ()
    irreversible: bool = False


class EnvironmentRecord(Record):
    """``environments/<name>.json``: what an environment runs, and its latest promotion.

    ``release`` is what it runs, or ran before the open promotion. ``successes`` has the
    releases that it ran, the latest first.
    """

    environment: str
    release: str | None = None
    promotion: Promotion | None = None
    successes: tuple[Success, ...] = ()

    @property
    def open(self) -> Promotion | None:
        """The promotion in progress: it locks the environment."""
        return self.promotion if self.promotion and self.promotion.is_open else None

    @property
    def services(self) -> tuple[str, ...]:
        """The services of its release that it runs; none for all of them."""
        return self.successes[0].services if self.successes else ()

    @property
    def sequence(self) -> int:
        """The number of the latest promotion; 0 before the first."""
        return self.promotion.sequence if self.promotion else 0

    def opened(self, promotion: Promotion) -> EnvironmentRecord:
        """Return the record with ``promotion`` in progress: from now on it is the lock."""
        return self.model_copy(update={"promotion": promotion})

    def taken_over(self, holder: str, host: str) -> EnvironmentRecord:
        """Return the record with the open promotion in another holder's hands."""
        return self.opened(self._open().held_by(holder, host))

    def done(self, at: datetime, by: str) -> EnvironmentRecord:
        """Return the record after the open promotion's success."""
        promotion = self._open()
        success = Success(
            release=promotion.release,
            sequence=promotion.sequence,
            at=at,
            services=promotion.services,
            irreversible=promotion.irreversible or self._was_irreversible(promotion.release),
        )
        others = tuple(past for past in self.successes if past.release != success.release)
        ended = self._ended("done", at, by, "")
        return ended.model_copy(
            update={
                "release": success.release,
                "successes": _kept((success, *others)),
            }
        )

    def undone(self, outcome: Ending, at: datetime, by: str, message: str) -> EnvironmentRecord:
        """Return the record after the open promotion ended and another release did not come."""
        return self._ended(outcome, at, by, message)

    def broken(self, message: str) -> EnvironmentRecord:
        """Return the record of a promotion that is still open and could not be put back."""
        update = {"outcome": "broken", "message": message}
        return self.opened(self._open().model_copy(update=update))

    def passed_over(self, release: str) -> tuple[Success, ...]:
        """Return the successes that going back to a release would leave, the latest first."""
        shas = [success.release for success in self.successes]
        return self.successes[: shas.index(release)] if release in shas else self.successes

    def _open(self) -> Promotion:
        assert self.open is not None
        return self.open

    def _ended(self, outcome: Ending, at: datetime, by: str, message: str) -> EnvironmentRecord:
        update = {"outcome": outcome, "finished_at": at, "ended_by": by, "message": message}
        return self.opened(self._open().model_copy(update=update))

    def _was_irreversible(self, release: str) -> bool:
        return any(past.irreversible for past in self.successes if past.release == release)


def _kept(successes: tuple[Success, ...]) -> tuple[Success, ...]:
    """Return the latest successes, and of the older ones those that no way back may pass over."""
    old = successes[SUCCESSES_KEPT:]
    return successes[:SUCCESSES_KEPT] + tuple(past for past in old if past.irreversible)


class RunRecord(Record):
    """``runs/<environment>/<sha>.json``: when an environment ran a release.

    ``until`` is when another release took its place; ``blocked`` says why it may not come back
    without a reason; ``pruned``, that it says nothing of the bytes that a later build has.
    """

    release: str
    sequence: int
    since: Time
    until: Time | None = None
    blocked: str = ""
    pruned: bool = False
