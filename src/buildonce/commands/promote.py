"""``inv promote`` and ``inv rollback``: which release an environment runs."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from buildonce import events
from buildonce.app import App, host_name, now
from buildonce.availability import require_available
from buildonce.environment import EnvironmentRecord, Kind, Operation
from buildonce.errors import PreconditionError, UsageError
from buildonce.ledger import Snapshot
from buildonce.parallel import run_by_key
from buildonce.plan import NOWHERE, Digests, Plan, Running, plan_promotion
from buildonce.planfile import PlanFile, PlannedState, read_plan, require_unmoved, write_plan
from buildonce.refs import short
from buildonce.release import Release
from buildonce.rules import enforce, violations

_HEX = re.compile(r"[0-9a-f]+")


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
        environment, planned.kind, release, planned.reason, planned.overrides, planned.irreversible
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


def required_release(snapshot: Snapshot, sha: str) -> Release:
    """Return a release's record.

    Raises:
        PreconditionError: there is none: the commit was not built.
    """
    release = snapshot.release(sha)
    if release is None:
        raise PreconditionError(f"{sha} was not built", hint=f"inv build --sha {sha}")
    return release


def pointers_of(
    app: App, environment: str, release: Release, previous: Release | None = None
) -> Digests:
    """Return what an environment's pointers name now, for the services of the releases."""
    services = {**release.services, **(previous.services if previous else {})}
    refs = {name: image.tag(environment) for name, image in services.items()}
    return run_by_key(app.registry.digest, refs)


def release_in_question(app: App, snapshot: Snapshot, environment: str, name: str | None) -> str:
    """Return the sha that a promotion without or with a name is about.

    Raises:
        PreconditionError: it is what the environment before runs, and that runs nothing.
    """
    before = app.project.environment(environment).after
    if name is not None or before is None:
        return _sha_of(app, snapshot, name or "HEAD")
    sha = snapshot.environment(before).release
    if sha is None:
        raise PreconditionError(
            f"{environment} gets what {before} runs, and {before} runs nothing yet",
            hint=f"inv promote {before}",
        )
    return sha


def running_of(app: App, environment: str, release: Release) -> Running:
    """Return how an environment runs releases, and whether it runs this one now."""
    if not app.hosts.deploys(environment):
        return NOWHERE
    found = app.hosts.running(environment, release)
    return Running(
        deploys=True,
        before=app.hosts.settings(environment).before is not None,
        in_step=not any(one.problem for one in found if not one.stray),
    )


def new_operation_id() -> str:
    """Return a name for an operation's holder that nobody else has."""
    return uuid.uuid4().hex


def _release_to_promote(
    app: App, snapshot: Snapshot, environment: str, name: str | None
) -> Release:
    return required_release(snapshot, release_in_question(app, snapshot, environment, name))


def _sha_of(app: App, snapshot: Snapshot, name: str) -> str:
    """Return a commit's tag; one that was released needs not be in this clone."""
    sha = name[: app.project.sha_length]
    if _HEX.fullmatch(name) and len(sha) == app.project.sha_length and snapshot.release(sha):
        return sha
    return app.sha(app.commit(name))


def _earlier(app: App, snapshot: Snapshot, record: EnvironmentRecord, name: str) -> str:
    sha = _sha_of(app, snapshot, name)
    if snapshot.standing(record.environment, sha) is None:
        raise PreconditionError(
            f"{sha} was never good in {record.environment}",
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
    if record.last and record.last.operation.irreversible and not reason:
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
    pointers = pointers_of(app, request.environment, request.release)
    plan = _plan(app, snapshot, request, record, pointers)
    steps = tuple(step.describe() for step in plan.steps)
    state = PlannedState(record=record, release=request.release, pointers=dict(pointers))
    if planned is not None:
        require_unmoved(planned, state, steps)
    if plan_to is not None:
        write_plan(plan_to, _as_file(request, state, steps))
        app.report.plan(plan)
        app.report.say(f"carry it out with: inv promote {request.environment} --apply {plan_to}")
        return
    app.carry_out(plan)
    if plan.steps and not app.dry_run:
        _tell(app, request, record, pointers)


def _plan(
    app: App, snapshot: Snapshot, request: Request, record: EnvironmentRecord, pointers: Digests
) -> Plan:
    operation = Operation(
        id=new_operation_id(),
        kind=request.kind,
        sequence=record.sequence + 1,
        release=request.release.sha,
        previous=record.release,
        actor=app.git.identity(),
        host=host_name(),
        reason=request.reason,
        irreversible=request.irreversible,
        started_at=now(),
    )
    running = running_of(app, request.environment, request.release)
    plan = plan_promotion(record, request.release, operation, pointers, running)
    if not plan.steps:
        return plan
    overridden = _enforce(app, snapshot, request, record)
    _require_not_held(snapshot, request)
    require_available(request.release, app.registry)
    operation = operation.model_copy(update={"overrides": overridden})
    return plan_promotion(record, request.release, operation, pointers, running)


def _enforce(
    app: App, snapshot: Snapshot, request: Request, record: EnvironmentRecord
) -> tuple[str, ...]:
    """Return the rules that are broken with leave; none stands in the way of back or repair."""
    if request.kind == "rollback" or request.release.sha == record.release:
        return ()
    environment = app.project.environment(request.environment)
    sha = request.release.sha
    before = snapshot.standing(environment.after, sha) if environment.after else None
    on_branches = app.git.is_on(
        request.release.revision, environment.branches, app.project.ledger_remote
    )
    broken = violations(environment, sha, before, on_branches, now())
    return enforce(broken, request.overrides, request.reason)


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
        kind=request.kind,
        release=request.release.sha,
        reason=request.reason,
        overrides=request.overrides,
        irreversible=request.irreversible,
        state=state,
        steps=steps,
    )


def _tell(app: App, request: Request, record: EnvironmentRecord, before: Digests) -> None:
    rows = []
    for name, image in request.release.services.items():
        old = before.get(name)
        tag = image.tag(request.environment)
        rows.append([name, str(tag), short(old) if old else "nothing", short(image.digest)])
    app.report.table(["service", "pointer", "from", "to"], rows)
    what = f"{request.environment} runs {request.release.sha}"
    if record.release == request.release.sha:
        app.report.say(f"{what}, as before: what had drifted was put right")
    else:
        app.report.say(f"{what} (before: {record.release or 'nothing'})")
