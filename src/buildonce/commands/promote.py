"""``inv promote``, ``resume`` and ``abort``: which release an environment runs."""

from __future__ import annotations

import uuid

from buildonce import events
from buildonce.app import App, now
from buildonce.environment import EnvironmentRecord, Kind, Operation
from buildonce.errors import PreconditionError
from buildonce.ledger import Snapshot
from buildonce.parallel import run_by_key
from buildonce.plan import Digests, plan_abort, plan_promotion, plan_resume
from buildonce.refs import short
from buildonce.release import Release


def promote(app: App, environment: str, name: str | None, reason: str) -> None:
    """Make an environment run a release that was built before."""
    app.project.environment(environment)
    snapshot = app.ledger.read()
    release = _release_to_promote(app, snapshot, environment, name)
    record = snapshot.environment(environment)
    if record.operation is not None:
        raise events.busy(record)
    _require_order(app, snapshot, environment, release)
    _carry_out(app, snapshot, record, release, "promotion", reason)


def resume(app: App, environment: str) -> None:
    """Finish a promotion that was left open."""
    app.project.environment(environment)
    snapshot = app.ledger.read()
    record = snapshot.environment(environment)
    if record.operation is None:
        app.report.say(f"no promotion of {environment} is in progress: nothing to resume")
        return
    release = required_release(snapshot, record.operation.release)
    pointers = _pointers(app, environment, release)
    app.carry_out(plan_resume(record, release, pointers, _new_id(), events.host_name()))
    _tell(app, record.release, release.sha, environment)


def abort(app: App, environment: str) -> None:
    """Undo a promotion that was left open."""
    app.project.environment(environment)
    snapshot = app.ledger.read()
    record = snapshot.environment(environment)
    if record.operation is None:
        app.report.say(f"no promotion of {environment} is in progress: nothing to abort")
        return
    release = required_release(snapshot, record.operation.release)
    previous = required_release(snapshot, record.release) if record.release else None
    pointers = _pointers(app, environment, release, previous)
    plan = plan_abort(record, release, previous, pointers, _new_id(), events.host_name())
    app.carry_out(plan)
    if not app.dry_run:
        app.report.say(f"{environment} runs {record.release or 'nothing'}, as before")


def required_release(snapshot: Snapshot, sha: str) -> Release:
    """Return a release's record.

    Raises:
        PreconditionError: there is none: the commit was not built.
    """
    release = snapshot.release(sha)
    if release is None:
        raise PreconditionError(f"{sha} was not built", hint=f"inv build --sha {sha}")
    return release


def _release_to_promote(
    app: App, snapshot: Snapshot, environment: str, name: str | None
) -> Release:
    before = app.project.environment(environment).after
    if name is None and before is not None:
        sha = snapshot.environment(before).release
        if sha is None:
            raise PreconditionError(
                f"{environment} gets what {before} runs, and {before} runs nothing yet",
                hint=f"inv promote {before}",
            )
    else:
        sha = app.sha(app.commit(name or "HEAD"))
    return required_release(snapshot, sha)


def _require_order(app: App, snapshot: Snapshot, environment: str, release: Release) -> None:
    before = app.project.environment(environment).after
    if before is not None and snapshot.standing(before, release.sha) is None:
        raise PreconditionError(
            f"{environment} comes after {before}, and {before} has never run {release.sha}",
            hint=f"inv promote {before} --sha {release.sha}",
        )


def _carry_out(
    app: App,
    snapshot: Snapshot,
    record: EnvironmentRecord,
    release: Release,
    kind: Kind,
    reason: str,
) -> None:
    operation = Operation(
        id=_new_id(),
        kind=kind,
        sequence=record.sequence + 1,
        release=release.sha,
        previous=record.release,
        actor=app.git.identity(),
        host=events.host_name(),
        reason=reason,
        started_at=now(),
    )
    pointers = _pointers(app, record.environment, release)
    plan = plan_promotion(record, release, operation, pointers)
    app.carry_out(plan)
    if plan.steps and not app.dry_run:
        _tell_moves(app, record.environment, release, pointers)
        _tell(app, record.release, release.sha, record.environment)


def _pointers(
    app: App, environment: str, release: Release, previous: Release | None = None
) -> Digests:
    services = {**release.services, **(previous.services if previous else {})}
    refs = {name: image.tag(environment) for name, image in services.items()}
    return run_by_key(app.registry.digest, refs)


def _tell_moves(app: App, environment: str, release: Release, before: Digests) -> None:
    app.report.table(
        ["service", "pointer", "from", "to"],
        [
            [name, str(image.tag(environment)), _short(before.get(name)), short(image.digest)]
            for name, image in release.services.items()
        ],
    )


def _tell(app: App, before: str | None, after: str, environment: str) -> None:
    if not app.dry_run:
        app.report.say(f"{environment} runs {after} (before: {before or 'nothing'})")


def _short(digest: str | None) -> str:
    return short(digest) if digest else "nothing"


def _new_id() -> str:
    return uuid.uuid4().hex
