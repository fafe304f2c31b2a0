"""The end of a promotion as an event: for chat tools, dashboards and scripts. Pure."""

from __future__ import annotations

from typing import Any

from buildonce.ledger.records.promotion import Promotion

_FIELDS = (
    *("environment", "kind", "release", "previous", "reason", "overrides", "irreversible"),
    *("sequence", "actor", "host", "started_at", "finished_at", "message"),
)


def event_of(promotion: Promotion) -> dict[str, Any]:
    """Return a promotion that ended, or broke, as the event that ``notify`` gets.

    ``event`` is ``done``, ``rolled-back``, ``failed``, ``aborted`` or ``broken``, ``text`` the
    same in a sentence; the others are the ledger's own fields.
    """
    fields = promotion.model_dump(mode="json", include=set(_FIELDS))
    return {"event": kind_of(promotion), "text": sentence(promotion), **fields}


def kind_of(promotion: Promotion) -> str:
    """Return what happened, in one word."""
    if promotion.outcome == "done" and promotion.kind == "rollback":
        return "rolled-back"
    return promotion.outcome


def sentence(promotion: Promotion) -> str:
    """Return what happened, for people."""
    environment, previous = promotion.environment, promotion.previous or "nothing"
    match kind_of(promotion):
        case "done":
            said = f"{environment} runs {promotion.release} (before: {previous})"
        case "rolled-back":
            said = f"{environment} was rolled back to {promotion.release} (from {previous})"
        case "broken":
            said = (
                f"{promotion.title} failed, and the previous release could not be restored: "
                f"{promotion.message}"
            )
        case outcome:
            why = f": {promotion.message}" if promotion.message else ""
            said = f"{promotion.title} {outcome}{why}; {environment} runs {previous}"
    return f"{said}: {promotion.reason}" if promotion.reason else said
