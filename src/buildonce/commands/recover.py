"""``inv resume`` and ``inv abort``: a promotion that was left open."""

from __future__ import annotations

from buildonce import ci
from buildonce.app import App
from buildonce.commands.observe import new_promotion_id, observe
from buildonce.commands.releases import required_release
from buildonce.errors import PreconditionError
from buildonce.ledger.records.promotion import Promotion
from buildonce.ledger.snapshot import Snapshot
from buildonce.plan.gates import check_engines
from buildonce.plan.plans import plan_abort, plan_resume
from buildonce.report.sentences import outcome


def resume(app: App, environment: str) -> None:
    """Finish a promotion that was left open, whatever of it has been done already."""
    snapshot, former = _open_promotion(app, environment)
    if former is None:
        app.report.say(f"no promotion of {environment} is in progress: nothing to resume")
        return
    back_to = former.release if former.kind == "rollback" else None
    seen = observe(app, snapshot, environment, former.release, back_to=back_to)
    check_engines(seen.engine, seen.way_back)
    app.carry_out(plan_resume(seen, former, _taken_over(former)))
    if not app.dry_run:
        app.report.say(outcome(seen))


def abort(app: App, environment: str, reason: str = "") -> None:
    """Undo a promotion that was left open: the release before it is put back."""
    snapshot, former = _open_promotion(app, environment)
    if former is None:
        app.report.say(f"no promotion of {environment} is in progress: nothing to abort")
        return
    if former.irreversible and not reason:
        raise PreconditionError(
            f"{former.release} was promoted to {environment} as irreversible",
            hint=f"inv resume {environment}; to undo it anyway: --reason TEXT",
        )
    if former.previous:
        required_release(snapshot, former.previous)
    seen = observe(app, snapshot, environment, former.release, back_to=former.previous)
    check_engines(seen.way_back)
    app.carry_out(plan_abort(seen, former, _taken_over(former), reason))
    if not app.dry_run:
        app.report.say(f"{environment} runs {seen.record.release or 'nothing'}, as before")
        if seen.engine and not seen.way_back:
            app.report.note("nothing was deployed there before: its containers are left running")


def _open_promotion(app: App, environment: str) -> tuple[Snapshot, Promotion | None]:
    app.project.environment(environment)
    snapshot = app.ledger.read()
    return snapshot, snapshot.environment(environment).open


def _taken_over(former: Promotion) -> Promotion:
    return former.held_by(new_promotion_id(), ci.here())
