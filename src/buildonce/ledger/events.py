"""The ledger's events: each a pure function of the state before it.

Appending asks again whenever somebody else wrote in between, so each recognises its own event
when it is there already, and refuses when it no longer may be written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeAlias

from buildonce.errors import BusyError, PreconditionError
from buildonce.ledger.records.environment import EnvironmentRecord, Operation, Standing
from buildonce.ledger.records.record import Record
from buildonce.ledger.records.release import Release
from buildonce.ledger.snapshot import (
    Event,
    Snapshot,
    deployment_path,
    environment_path,
    pruned_path,
    release_path,
    standing_path,
)
from buildonce.plan.steps import (
    ClosePromotion,
    OpenPromotion,
    TakeOver,
)

Files: TypeAlias = dict[str, "Record | str | None"]


def built(snapshot: Snapshot, release: Release) -> Event | None:
    """Record a build. What is recorded already stays as it is; only what is missing is added."""
    recorded = snapshot.release(release.sha)
    if recorded and recorded.revision != release.revision:
        raise PreconditionError(
            f"{release.sha} is the tag of two commits: {recorded.revision} is recorded",
            hint="set tool.buildonce.sha_length to a greater number",
        )
    merged = recorded.with_images(release.services) if recorded else release
    if merged == recorded:
        return None
    added = [name for name in merged.services if not recorded or name not in recorded.services]
    digests = tuple(("Digest", f"{name} {merged.services[name].digest}") for name in added)
    return Event(
        f"build {release.sha}: {', '.join(added)}",
        (("Event", "built"), ("Release", release.sha), ("Actor", release.built_by), *digests),
        {release_path(release.sha): merged, pruned_path(release.sha): None},
    )


def opened(snapshot: Snapshot, step: OpenPromotion) -> Event | None:
    """Record an intent: from now on it holds the environment.

    Raises:
        BusyError: another promotion holds it.
        PreconditionError: the environment has moved since this was planned.
    """
    record = snapshot.environment(step.environment)
    operation = step.operation
    if record.operation is not None:
        if record.operation.id == operation.id:
            return None
        raise busy(record)
    if snapshot.release(operation.release) is None:
        raise PreconditionError(
            f"release {operation.release} was pruned meanwhile; nothing was written",
            hint=f"inv build --sha {operation.release}",
        )
    if (record.release, record.sequence + 1) != (operation.previous, operation.sequence):
        raise PreconditionError(
            f"{step.environment} has moved to {record.release} meanwhile "
            f"(promotion {record.sequence}); nothing was written",
            hint=f"inv status, then inv promote {step.environment} again",
        )
    return _event("opened", step.environment, operation, {}, record.opened(operation))


def taken_over(snapshot: Snapshot, step: TakeOver) -> Event | None:
    """Record that an open promotion has another holder.

    Raises:
        BusyError: somebody else took it over first.
        PreconditionError: it is not open any more.
    """
    record = snapshot.environment(step.environment)
    if record.operation is not None and record.operation.id == step.new_id:
        return None
    require_holder(record, step.operation)
    return _event(
        "taken-over", step.environment, step.operation, {}, record.taken(step.new_id, step.host)
    )


def closed(
    snapshot: Snapshot, step: ClosePromotion, at: datetime, definition: str | None = None
) -> Event | None:
    """Record an outcome, what it means for the releases' standing, and what was deployed by.

    Raises:
        BusyError, PreconditionError: the promotion is not ours any more.
    """
    record = snapshot.environment(step.environment)
    if record.last is not None and record.last.operation.id == step.operation.id:
        return None
    require_holder(record, step.operation)
    files: Files = {} if definition is None else {deployment_path(step.environment): definition}
    if step.outcome == "done":
        files = {**files, **_standings(snapshot, record, step, at)}
        return _event("done", step.environment, step.operation, files, record.done(at))
    after = record.put_back(step.outcome, at, step.message)
    return _event(step.outcome, step.environment, step.operation, files, after, step.message)


def require_holder(record: EnvironmentRecord, operation: Operation) -> None:
    """Refuse to go on with a promotion that is not ours any more.

    Raises:
        BusyError: another process holds the environment now.
        PreconditionError: the promotion was ended by somebody else.
    """
    if record.operation is None:
        ended = record.last.outcome if record.last else "gone"
        raise PreconditionError(
            f"promotion {operation.sequence} of {record.environment} was ended by somebody else "
            f"({ended}); nothing more was changed",
            hint="inv status",
        )
    if record.operation.id != operation.id:
        raise busy(record)


def busy(record: EnvironmentRecord) -> BusyError:
    """Return the error that names who holds an environment."""
    held = record.operation
    assert held is not None
    return BusyError(
        f"{record.environment} is held by {held.kind} {held.sequence} to {held.release}, begun by "
        f"{held.actor} on {held.host} at {held.started_at:%Y-%m-%d %H:%M:%S} UTC",
        hint=f"wait for it; if it is dead: inv resume {record.environment}, "
        f"or inv abort {record.environment}",
    )


def broke(snapshot: Snapshot, environment: str, operation: Operation, message: str) -> Event | None:
    """Record that a promotion failed and could not be put back; it stays open."""
    record = snapshot.environment(environment)
    require_holder(record, operation)
    if record.state == "broken":
        return None
    return _event("broken", environment, operation, {}, record.broke(), message)


def pruned(
    snapshot: Snapshot, choose: Callable[[Snapshot], Sequence[str]], actor: str
) -> Event | None:
    """Take releases out of use: their records move to ``pruned/`` until their tags are gone.

    What may go is chosen again from the state that the event is appended to: a promotion
    that began meanwhile keeps its release. That a release is held is not forgotten: it can be
    built again, of bytes that were never anywhere.
    """
    chosen = choose(snapshot)
    files: Files = {}
    for sha in chosen:
        files[release_path(sha)] = None
        files[pruned_path(sha)] = snapshot.release(sha)
        for environment in snapshot.folders("standings"):
            standing = snapshot.standing(environment, sha)
            if standing:
                held = standing.model_copy(update={"pruned": True}) if standing.held else None
                files[standing_path(environment, sha)] = held
    return _about_releases("pruned", chosen, actor, files)


def forgotten(snapshot: Snapshot, shas: Sequence[str], actor: str) -> Event | None:
    """Record that the tags of pruned releases are gone."""
    left = [sha for sha in shas if snapshot.pruned(sha)]
    return _about_releases("forgotten", left, actor, {pruned_path(sha): None for sha in left})


def _about_releases(what: str, shas: Sequence[str], actor: str, files: Files) -> Event | None:
    if not shas:
        return None
    listed = f"{len(shas)} releases" if len(shas) > 1 else shas[0]
    return Event(
        f"{what} {listed}",
        (("Event", what), ("Actor", actor), ("Releases", " ".join(shas))),
        files,
    )


def _standings(
    snapshot: Snapshot, record: EnvironmentRecord, step: ClosePromotion, at: datetime
) -> Files:
    name, operation = step.environment, step.operation
    files: Files = {}
    if record.release and record.release != operation.release:
        before = snapshot.standing(name, record.release)
        if before:
            held = operation.reason or "rolled back" if operation.kind == "rollback" else ""
            ended = before.model_copy(update={"until": at, "held": held})
            files[standing_path(name, record.release)] = ended
    there = snapshot.standing(name, operation.release)
    since = there.since if there and there.until is None else at
    files[standing_path(name, operation.release)] = Standing(
        release=operation.release, sequence=operation.sequence, since=since
    )
    return files


def _event(
    what: str,
    environment: str,
    operation: Operation,
    files: Files,
    record: EnvironmentRecord,
    message: str = "",
) -> Event:
    facts = (
        ("Event", what),
        ("Environment", environment),
        ("Sequence", str(operation.sequence)),
        ("Kind", operation.kind),
        ("Release", operation.release),
        ("Previous", operation.previous or ""),
        ("Operation", operation.id),
        ("Actor", operation.actor),
        ("Host", operation.host),
        ("Reason", operation.reason),
        ("Overrides", ",".join(operation.overrides)),
        ("Message", message),
    )
    return Event(
        f"{operation.kind} {operation.sequence} of {environment} to {operation.release}: {what}",
        tuple((key, value) for key, value in facts if value),
        {environment_path(environment): record, **files},
    )
