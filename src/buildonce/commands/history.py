"""``inv history``: who put what where, when, why, and how it ended."""

from __future__ import annotations

from datetime import timedelta

from buildonce.app import App
from buildonce.durations import format_duration
from buildonce.errors import UsageError
from buildonce.ledger.log import read_history
from buildonce.ledger.records.promotion import Promotion


def history(app: App, environment: str, count: int, *, as_json: bool) -> None:
    """Show the latest promotions of an environment, the newest first."""
    app.project.environment(environment)
    if count < 1:
        raise UsageError(f"--number {count}: must be a whole number, 1 or more")
    promotions = read_history(app.ledger.branch, environment, count)
    if as_json:
        app.report.json([_for_machines(promotion) for promotion in promotions])
        return
    if not promotions:
        app.report.say(f"{environment} has no promotions yet")
        return
    app.report.table(
        ["#", "when (UTC)", "what", "release", "before", "who", "outcome", "took", "why"],
        [_row(promotion) for promotion in promotions],
    )


def _for_machines(promotion: Promotion) -> dict[str, object]:
    took = _took(promotion)
    return {
        **promotion.model_dump(mode="json"),
        "outcome": _outcome(promotion),
        "took": None if took is None else took.total_seconds(),
    }


def _took(promotion: Promotion) -> timedelta | None:
    return promotion.finished_at - promotion.started_at if promotion.finished_at else None


def _outcome(promotion: Promotion) -> str:
    return "in progress" if promotion.outcome == "open" else promotion.outcome


def _who(promotion: Promotion) -> str:
    actor, ended_by = (who.partition(" <")[0] for who in (promotion.actor, promotion.ended_by))
    return f"{actor}, ended by {ended_by}" if ended_by not in ("", actor) else actor


def _row(promotion: Promotion) -> list[str]:
    took, overrides = _took(promotion), ",".join(promotion.overrides)
    overridden = f"[overrides {overrides}]" if overrides else ""
    return [
        str(promotion.sequence),
        f"{promotion.started_at:%Y-%m-%d %H:%M:%S}",
        promotion.kind,
        promotion.release,
        promotion.previous or "nothing",
        _who(promotion),
        _outcome(promotion),
        "" if took is None else format_duration(took),
        " ".join(part for part in (promotion.reason, overridden, promotion.message) if part),
    ]
