"""A promotion: the one type for it, from what a person asks for to how it ended."""

from __future__ import annotations

from typing import Literal

from buildonce.ledger.records.record import Record, Time

Kind = Literal["promotion", "rollback"]
Outcome = Literal["open", "broken", "done", "failed", "aborted"]
Ending = Literal["done", "failed", "aborted"]


class Request(Record):
    """What a person asks for: a release in an environment, why, and which rules may break.

    ``irreversible`` says that the release before it is no way back, ``redeploy`` that it is
    deployed although nothing seems to differ.
    """

    environment: str
    kind: Kind = "promotion"
    release: str
    reason: str = ""
    overrides: tuple[str, ...] = ()
    irreversible: bool = False
    redeploy: bool = False


class Promotion(Request):
    """A request that is carried out, from its intent to its outcome.

    ``id`` names it and its present holder, ``sequence`` counts an environment's promotions,
    ``services`` are those of the release that the environment runs, none for all of them;
    ``previous`` is the release that ran before, ``repository`` the web address of the git
    remote with the ledger, where it has one. ``broken`` is an open promotion that could
    neither finish nor be put back; ``finished_at`` and ``ended_by`` are of one that ended.
    """

    id: str
    sequence: int
    services: tuple[str, ...] = ()
    previous: str | None
    repository: str = ""
    actor: str
    host: str
    started_at: Time
    outcome: Outcome = "open"
    finished_at: Time | None = None
    ended_by: str = ""
    message: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it has not ended: it locks its environment."""
        return self.outcome in ("open", "broken")

    @property
    def title(self) -> str:
        """Its name in sentences."""
        return f"{self.kind} {self.sequence} of {self.environment} to {self.release}"

    @property
    def abort_command(self) -> str:
        """The command that undoes it while it is open."""
        reason = " --reason TEXT" if self.irreversible else ""
        return f"inv abort {self.environment}{reason}"

    def held_by(self, holder: str, host: str) -> Promotion:
        """Return it in another holder's hands."""
        return self.model_copy(update={"id": holder, "host": host, "outcome": "open"})
