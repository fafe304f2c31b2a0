"""``inv history``: who put what where, when, why, and how it ended."""

from __future__ import annotations

from dataclasses import asdict

from buildonce.app import App
from buildonce.durations import format_duration
from buildonce.errors import UsageError
from buildonce.ledger.log import Promotion, read_history


def history(app: App, environment: str, count: int, *, as_json: bool) -> None:
    """Show the latest promotions of an environment, the newest first."""
    app.project.environment(environment)
    if count < 1:
        raise UsageError(f"--number {count}: at least one promotion has to be asked for")
    promotions = read_history(app.ledger.branch, environment, count)
    if as_json:
        app.report.json([_for_machines(promotion) for promotion in promotions])
        return
    if not promotions:
        app.report.say(f"nothing was ever promoted to {environment}")
        return
    app.report.table(
        ["#", "when (UTC)", "what", "release", "before", "who", "outcome", "took", "why"],
        [_row(promotion) for promotion in promotions],
    )


def _for_machines(promotion: Promotion) -> dict[str, object]:
    took = None if promotion.took is None else promotion.took.total_seconds()
    return {
        **asdict(promotion),
        "started_at": promotion.started_at.isoformat(),
        "took": took,
    }


def _who(promotion: Promotion) -> str:
    actor, ended_by = (who.partition(" <")[0] for who in (promotion.actor, promotion.ended_by))
    return f"{actor}, ended by {ended_by}" if ended_by not in ("", actor) else actor


def _row(promotion: Promotion) -> list[str]:
    overridden = f"[overrides {promotion.overrides}]" if promotion.overrides else ""
    return [
        str(promotion.sequence),
        f"{promotion.started_at:%Y-%m-%d %H:%M:%S}",
        promotion.kind,
        promotion.release,
        promotion.previous or "nothing",
        _who(promotion),
        promotion.outcome,
        "" if promotion.took is None else format_duration(promotion.took),
        " ".join(part for part in (promotion.reason, overridden, promotion.message) if part),
    ]
