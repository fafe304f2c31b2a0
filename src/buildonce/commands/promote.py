"""``inv promote``: which release an environment runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from buildonce import ci
from buildonce.app import App, now
from buildonce.commands.observe import new_promotion_id, observe
from buildonce.commands.releases import release_in_question, sha_of
from buildonce.errors import PreconditionError, UsageError
from buildonce.execute.run import Run
from buildonce.ledger.events import busy
from buildonce.ledger.records.promotion import Promotion, Request
from buildonce.ledger.snapshot import Snapshot
from buildonce.plan.building import listed
from buildonce.plan.file import PlanFile, PlannedState, read_plan, require_unchanged, write_plan
from buildonce.plan.gates import pass_gates
from buildonce.plan.observation import Observation
from buildonce.plan.plans import Plan, plan_promotion
from buildonce.plan.pointers import references
from buildonce.plan.steps import Point, Unpoint
from buildonce.report.sentences import (
    astray,
    by_another,
    changed_policy,
    describe,
    named,
    outcome,
    what_runs,
)
from buildonce.verify.deployed import given_otherwise

_SHOWN = 20
"""How many of the pointers that moved a table names."""


def promote(
    app: App,
    environment: str,
    name: str | None = None,
    *,
    reason: str = "",
    overrides: Sequence[str] = (),
    irreversible: bool = False,
    redeploy: bool = False,
    plan_to: Path | None = None,
) -> None:
    """Make an environment run a release that was built before; or only write the plan."""
    app.project.environment(environment)
    snapshot = app.ledger.read()
    request = Request(
        environment=environment,
        release=_release(app, snapshot, environment, name, redeploy=redeploy),
        reason=reason,
        overrides=tuple(overrides),
        irreversible=irreversible,
        redeploy=redeploy,
    )
    if plan_to is None or app.dry_run:
        carry_out(app, snapshot, request)
        return
    seen, plan = prepare(app, snapshot, request)
    write_plan(plan_to, _as_file(request, seen, plan))
    app.report.steps(plan)
    app.report.say(f"carry it out with: inv promote {environment} --apply {plan_to}")


def apply(app: App, environment: str, path: Path) -> None:
    """Do exactly what a plan says, or refuse because something changed meanwhile."""
    planned = read_plan(path)
    request = planned.request
    if request.environment != environment:
        raise UsageError(f"{path} is a plan for {request.environment}, not for {environment}")
    app.project.environment(environment)
    carry_out(app, app.ledger.read(), request, planned=planned)


def carry_out(
    app: App, snapshot: Snapshot, request: Request, *, planned: PlanFile | None = None
) -> None:
    """Observe, plan and execute a request, or print the plan in a dry run."""
    seen, plan = prepare(app, snapshot, request)
    if planned is not None:
        require_unchanged(planned, _as_file(request, seen, plan))
    run = app.carry_out(plan)
    if plan.steps and not app.dry_run:
        _show_moves(app, seen, run)
        app.report.say(outcome(seen))
    elif plan.steps and seen.settings.is_observed:
        app.report.say(by_another(seen))


def prepare(app: App, snapshot: Snapshot, request: Request) -> tuple[Observation, Plan]:
    """Return what an environment is like, and the plan of a request that may be carried out."""
    record = snapshot.environment(request.environment)
    if record.open is not None:
        raise busy(record.open)
    back_to = request.release if request.kind == "rollback" else None
    seen = observe(app, snapshot, request.environment, request.release, back_to=back_to)
    if seen.is_settled and not request.redeploy:
        return seen, Plan(_nothing_to_do(seen))
    for change in changed_policy(seen):
        app.report.note(change)
    if seen.lineage == "apart":
        app.report.note(
            f"{seen.release.sha} does not contain {seen.record.release}, which {seen.name} runs: "
            f"inv changes {seen.name} shows the commits that it reverts"
        )
    for stray in astray(seen):
        app.report.note(stray)
    overridden = pass_gates(seen, request, app.registry, now(), app.project.ledger_remote)
    request = request.model_copy(update={"overrides": overridden})
    return seen, plan_promotion(seen, _promotion(app, seen, request))


def _release(
    app: App, snapshot: Snapshot, environment: str, name: str | None, *, redeploy: bool
) -> str:
    if not redeploy:
        return release_in_question(app, snapshot, environment, name)
    if not app.project.environment(environment).deploys:
        raise UsageError(f"--redeploy: a promotion to {environment} deploys nothing")
    runs = snapshot.environment(environment).release
    if runs is None:
        raise PreconditionError(
            f"--redeploy: {environment} runs nothing yet", hint=f"inv promote {environment}"
        )
    if name is not None and sha_of(app, snapshot, name) != runs:
        raise UsageError(
            f"--redeploy deploys what {environment} runs, {runs}, again",
            hint=f"inv promote {environment} --sha {name}, without --redeploy",
        )
    return runs


def _nothing_to_do(seen: Observation) -> str:
    record = seen.snapshot.deployed(seen.name)
    if seen.settings.is_observed:
        return f"{seen.name} is at {seen.release.sha} already: nothing to do; {what_runs(seen)}"
    said = f"{seen.name} runs {seen.release.sha} already: nothing to do"
    otherwise = given_otherwise(seen.engine, record) if seen.engine and record else []
    if not otherwise:
        return said
    return (
        f"{said}; but {listed(otherwise)} would get other variables or secrets today: "
        f"inv promote {seen.name} --redeploy"
    )


def _promotion(app: App, seen: Observation, request: Request) -> Promotion:
    return Promotion(
        **request.model_dump(),
        id=new_promotion_id(),
        sequence=seen.record.sequence + 1,
        services=seen.settings.services,
        previous=seen.record.release,
        repository=seen.repository,
        actor=app.git.identity(),
        host=ci.here(),
        started_at=now(),
    )


def _as_file(request: Request, seen: Observation, plan: Plan) -> PlanFile:
    steps = tuple(describe(step) for step in plan.steps)
    return PlanFile(request=request, state=PlannedState.of(seen), steps=steps)


def _show_moves(app: App, seen: Observation, run: Run) -> None:
    if seen.pointers is None:
        return
    before, after = seen.pointers, seen.release.digests()
    tags = references(seen.name, seen.release, seen.previous)
    stayed = {step.tag for step in run.stayed if isinstance(step, Point | Unpoint)}
    moved = [
        name
        for name, tag in tags.items()
        if before.get(name) != after.get(name) and tag not in stayed
    ]
    if moved:
        rows = [
            [name, str(tags[name]), named(before.get(name)), named(after.get(name))]
            for name in moved[:_SHOWN]
        ]
        app.report.table(["service", "pointer", "from", "to"], rows)
    if len(moved) > _SHOWN:
        app.report.say(f"and {len(moved) - _SHOWN} more pointers moved")
    if unchanged := [name for name in tags if name not in moved]:
        app.report.say(f"unchanged: {listed(unchanged)}")
