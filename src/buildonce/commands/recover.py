"""``inv resume`` and ``inv abort``: a promotion that was left open."""

from __future__ import annotations

from buildonce import ci
from buildonce.app import App
from buildonce.commands.observe import new_promotion_id, observe
from buildonce.commands.releases import required_release
from buildonce.errors import PreconditionError
from buildonce.ledger.records.promotion import Promotion
from buildonce.ledger.snapshot import Snapshot
from buildonce.plan.plans import plan_abort, plan_resume


def resume(app: App, environment: str) -> None:
    """Finish a promotion that was left open, whatever of it has been done already."""
    snapshot, former = _open_promotion(app, environment)
    if former is None:
        app.report.say(f"no promotion of {environment} is in progress: nothing to resume")
        return
    back_to = former.release if former.kind == "rollback" else None
    seen = observe(app, snapshot, environment, former.release, back_to=back_to)
    app.carry_out(plan_resume(seen, former, _taken_over(former)))
    if not app.dry_run:
        before = seen.record.release or "nothing"
        app.report.say(f"{environment} runs {former.release} (before: {before})")


def abort(app: App, environment: str, reason: str = "") -> None:
    """Undo a promotion that was left open: the release before it is put back."""
    snapshot, former = _open_promotion(app, environment)
    if former is None:
        app.report.say(f"no promotion of {environment} is in progress: nothing to abort")
        return
    if former.irreversible and not reason:
        raise PreconditionError(
            f"{former.release} was promoted to {environment} as irreversible",
            hint=f"inv resume {environment}; to put it back anyway: --reason TEXT",
        )
    if former.previous:
        required_release(snapshot, former.previous)
    seen = observe(app, snapshot, environment, former.release, back_to=former.previous)
    app.carry_out(plan_abort(seen, former, _taken_over(former), reason))
    if not app.dry_run:
        app.report.say(f"{environment} runs {seen.record.release or 'nothing'}, as before")
        if seen.engine and not seen.way_back:
            app.report.note(
                "nothing was deployed there before: its containers are left as they are"
            )


def _open_promotion(app: App, environment: str) -> tuple[Snapshot, Promotion | None]:
    app.project.environment(environment)
    snapshot = app.ledger.read()
    return snapshot, snapshot.environment(environment).open


def _taken_over(former: Promotion) -> Promotion:
    return former.held_by(new_promotion_id(), ci.here())
