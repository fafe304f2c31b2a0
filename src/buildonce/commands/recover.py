"""``inv resume`` and ``inv abort``: a promotion that was left open."""

from __future__ import annotations

from buildonce import ci
from buildonce.app import App
from buildonce.commands.observe import (
    hosting_of,
    new_operation_id,
    pointers_of,
    required_release,
)
from buildonce.errors import PreconditionError
from buildonce.plan.plans import POINTERS_ONLY, plan_abort, plan_resume


def resume(app: App, environment: str) -> None:
    """Finish a promotion that was left open, whatever of it has been done already."""
    app.project.environment(environment)
    snapshot = app.ledger.read()
    record = snapshot.environment(environment)
    if record.operation is None:
        app.report.say(f"no promotion of {environment} is in progress: nothing to resume")
        return
    release = required_release(snapshot, record.operation.release)
    previous = snapshot.runs(record)
    pointers = pointers_of(app, environment, release, previous)
    hosting = hosting_of(app, environment, release)
    plan = plan_resume(record, release, previous, pointers, new_operation_id(), ci.here(), hosting)
    app.carry_out(plan)
    if not app.dry_run:
        app.report.say(f"{environment} runs {release.sha} (before: {record.release or 'nothing'})")


def abort(app: App, environment: str, reason: str = "") -> None:
    """Undo a promotion that was left open: the release before it is put back."""
    app.project.environment(environment)
    snapshot = app.ledger.read()
    record = snapshot.environment(environment)
    if record.operation is None:
        app.report.say(f"no promotion of {environment} is in progress: nothing to abort")
        return
    if record.operation.irreversible and not reason:
        raise PreconditionError(
            f"{record.operation.release} was promoted to {environment} as irreversible",
            hint=f"inv resume {environment}; to put it back all the same: --reason TEXT",
        )
    release = required_release(snapshot, record.operation.release)
    previous = required_release(snapshot, record.release) if record.release else None
    pointers = pointers_of(app, environment, release, previous)
    deployed_before = snapshot.has_deployment(environment)
    hosting = (
        hosting_of(app, environment, previous or release) if deployed_before else POINTERS_ONLY
    )
    plan = plan_abort(
        record, release, previous, pointers, new_operation_id(), ci.here(), hosting, reason
    )
    app.carry_out(plan)
    if not app.dry_run:
        app.report.say(f"{environment} runs {record.release or 'nothing'}, as before")
        if app.hosts.deploys(environment) and not deployed_before:
            app.report.note(
                "nothing was deployed there before: its containers are left as they are"
            )
