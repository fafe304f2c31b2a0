"""``inv promote`` and ``inv rollback``: which release an environment runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from buildonce import ci
from buildonce.app import App, now
from buildonce.commands.observe import (
    hosting_of,
    new_operation_id,
    pointers_of,
    release_in_question,
    required_release,
    sha_of,
)
from buildonce.errors import PreconditionError, UsageError
from buildonce.ledger import events
from buildonce.ledger.records.environment import EnvironmentRecord, Kind, Operation
from buildonce.ledger.records.release import Release
from buildonce.ledger.snapshot import Snapshot
from buildonce.plan.availability import require_available
from buildonce.plan.file import PlanFile, PlannedState, read_plan, require_unmoved, write_plan
from buildonce.plan.plans import Digests, Plan, plan_promotion
from buildonce.plan.rules import enforce, violations
from buildonce.refs import Digest, short


@dataclass(frozen=True)
class Request:
    """What a person asks for: a release in an environment, why, and which rules may break."""

    environment: str
    kind: Kind
    release: Release
    reason: str = ""
    overrides: tuple[str, ...] = ()
    irreversible: bool = False


def promote(
    app: App,
    environment: str,
    name: str | None = None,
    *,
    reason: str = "",
    overrides: Sequence[str] = (),
    irreversible: bool = False,
    plan_to: Path | None = None,
) -> None:
    """Make an environment run a release that was built before; or only write the plan."""
    app.project.environment(environment)
    snapshot = app.ledger.read()
    release = _release_to_promote(app, snapshot, environment, name)
    request = Request(environment, "promotion", release, reason, tuple(overrides), irreversible)
    _carry_out(app, snapshot, request, plan_to=plan_to)


def apply(app: App, environment: str, path: Path) -> None:
    """Do exactly what a plan says, or refuse because something moved meanwhile."""
    planned = read_plan(path)
    if planned.environment != environment:
        raise UsageError(f"{path} is a plan for {planned.environment}, not for {environment}")
    app.project.environment(environment)
    snapshot = app.ledger.read()
    release = required_release(snapshot, planned.release)
    request = Request(
        environment, "promotion", release, planned.reason, planned.overrides, planned.irreversible
    )
    _carry_out(app, snapshot, request, planned=planned)


def rollback(app: App, environment: str, name: str | None, reason: str) -> None:
    """Make an environment run an earlier release that was good there."""
    app.project.environment(environment)
    snapshot = app.ledger.read()
    record = snapshot.environment(environment)
    sha = _earlier(app, snapshot, record, name) if name else _last_good(snapshot, record)
    _require_reversible(record, reason)
    request = Request(environment, "rollback", required_release(snapshot, sha), reason)
    _carry_out(app, snapshot, request)


def _release_to_promote(
    app: App, snapshot: Snapshot, environment: str, name: str | None
) -> Release:
    return required_release(snapshot, release_in_question(app, snapshot, environment, name))


def _earlier(app: App, snapshot: Snapshot, record: EnvironmentRecord, name: str) -> str:
    sha = sha_of(app, snapshot, name)
    if snapshot.proof(record.environment, sha) is None:
        raise PreconditionError(
            f"{sha} was never good in {record.environment}, or was pruned since",
            hint=f"inv history {record.environment}",
        )
    return sha


def _last_good(snapshot: Snapshot, record: EnvironmentRecord) -> str:
    ways_back = snapshot.ways_back(record)
    if ways_back:
        return ways_back[0]
    raise PreconditionError(
        f"{record.environment} has no earlier release to go back to",
        hint=f"inv history {record.environment}; to one that is held: "
        f"inv rollback {record.environment} --to SHA --reason TEXT",
    )


def _require_reversible(record: EnvironmentRecord, reason: str) -> None:
    if record.good and record.good[0].irreversible and not reason:
        raise PreconditionError(
            f"{record.release} was promoted to {record.environment} as irreversible",
            hint="a release ahead of it is safer; to go back all the same: --reason TEXT",
        )


def _carry_out(
    app: App,
    snapshot: Snapshot,
    request: Request,
    *,
    plan_to: Path | None = None,
    planned: PlanFile | None = None,
) -> None:
    record = snapshot.environment(request.environment)
    if record.operation is not None:
        raise events.busy(record)
    previous = snapshot.runs(record)
    pointers = pointers_of(app, request.environment, request.release, previous)
    plan = _plan(app, snapshot, request, record, previous, pointers)
    steps = tuple(step.describe() for step in plan.steps)
    state = PlannedState(
        record=record,
        release=request.release,
        pointers=dict(pointers),
        settings=app.project.environment(request.environment).model_dump(mode="json"),
    )
    if planned is not None:
        require_unmoved(planned, state, steps)
    if plan_to is not None and not app.dry_run:
        write_plan(plan_to, _as_file(request, state, steps))
        app.report.steps(plan)
        app.report.say(f"carry it out with: inv promote {request.environment} --apply {plan_to}")
        return
    app.carry_out(plan)
    if plan.steps and not app.dry_run:
        _show_moves(app, request, previous, pointers)
        _tell(app, request, record)


def _plan(
    app: App,
    snapshot: Snapshot,
    request: Request,
    record: EnvironmentRecord,
    previous: Release | None,
    pointers: Digests,
) -> Plan:
    operation = Operation(
        id=new_operation_id(),
        kind=request.kind,
        sequence=record.sequence + 1,
        release=request.release.sha,
        previous=record.release,
        actor=app.git.identity(),
        host=ci.here(),
        reason=request.reason,
        irreversible=request.irreversible,
        started_at=now(),
    )
    hosting = hosting_of(app, request.environment, request.release)
    plan = plan_promotion(record, request.release, previous, operation, pointers, hosting)
    if not plan.steps:
        return plan
    overridden = _enforce(app, snapshot, request, record)
    _require_not_held(snapshot, request)
    require_available(request.release, app.registry)
    _require_way_back(app, snapshot, record)
    operation = operation.model_copy(update={"overrides": overridden})
    return plan_promotion(record, request.release, previous, operation, pointers, hosting)


def _enforce(
    app: App, snapshot: Snapshot, request: Request, record: EnvironmentRecord
) -> tuple[str, ...]:
    """Return the rules that are broken with leave; none stands in the way of back or repair."""
    if request.kind == "rollback" or request.release.sha == record.release:
        return ()
    environment = app.project.environment(request.environment)
    sha = request.release.sha
    before = snapshot.proof(environment.after, sha) if environment.after else None
    remote = app.project.ledger_remote
    on_branches = app.git.is_on(request.release.revision, environment.branches, remote)
    broken = violations(environment, sha, before, on_branches, now(), remote)
    return enforce(broken, request.overrides, request.reason)


def _require_way_back(app: App, snapshot: Snapshot, record: EnvironmentRecord) -> None:
    """See that what runs could be deployed again, before anything is touched."""
    name = record.environment
    if record.release and app.hosts.deploys(name) and snapshot.has_deployment(name):
        app.hosts.deployment(name, required_release(snapshot, record.release))


def _require_not_held(snapshot: Snapshot, request: Request) -> None:
    standing = snapshot.standing(request.environment, request.release.sha)
    if standing and standing.held and not request.reason:
        raise PreconditionError(
            f"{request.release.sha} is held in {request.environment}: {standing.held}",
            hint="to bring it back all the same, say why: --reason TEXT",
        )


def _as_file(request: Request, state: PlannedState, steps: tuple[str, ...]) -> PlanFile:
    return PlanFile(
        environment=request.environment,
        release=request.release.sha,
        reason=request.reason,
        overrides=request.overrides,
        irreversible=request.irreversible,
        state=state,
        steps=steps,
    )


def _show_moves(app: App, request: Request, previous: Release | None, before: Digests) -> None:
    after = request.release.digests()
    images = {**(previous.services if previous else {}), **request.release.services}
    rows = []
    for name, image in images.items():
        tag = image.tag(request.environment)
        rows.append([name, str(tag), _named(before.get(name)), _named(after.get(name))])
    app.report.table(["service", "pointer", "from", "to"], rows)


def _tell(app: App, request: Request, record: EnvironmentRecord) -> None:
    what = f"{request.environment} runs {request.release.sha}"
    if record.release == request.release.sha:
        app.report.say(f"{what}, as before: what had drifted was put right")
    else:
        app.report.say(f"{what} (before: {record.release or 'nothing'})")


def _named(digest: Digest | None) -> str:
    return short(digest) if digest else "nothing"
