"""The events of promotions: each a pure function of the state before it.

Appending asks again whenever somebody else wrote in between, so each recognises its own event
when it is there already, and refuses when it no longer may be written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from buildonce.errors import BusyError, PreconditionError
from buildonce.ledger.records.deployment import DeploymentRecord
from buildonce.ledger.records.environment import EnvironmentRecord, RunRecord
from buildonce.ledger.records.promotion import Ending, Promotion
from buildonce.ledger.records.record import Record
from buildonce.ledger.snapshot import (
    Event,
    Snapshot,
    bundle_path,
    deployed_path,
    deployment_path,
    environment_path,
    run_path,
)


@dataclass(frozen=True)
class DeployedBy:
    """What an engine deployed a release by: the definition with its images, and without them."""

    definition: str
    bundle: str
    record: DeploymentRecord


Files: TypeAlias = dict[str, "Record | str | None"]


def opened(snapshot: Snapshot, promotion: Promotion) -> Event | None:
    """Record an intent: from now on it locks the environment.

    Raises:
        BusyError: another promotion locks it.
        PreconditionError: the environment has moved since this was planned.
    """
    record = snapshot.environment(promotion.environment)
    if record.open is not None:
        if record.open.id == promotion.id:
            return None
        raise busy(record.open)
    if snapshot.release(promotion.release) is None:
        raise PreconditionError(
            f"release {promotion.release} was pruned in the meantime; nothing was written",
            hint=f"inv build --sha {promotion.release}",
        )
    if (record.release, record.sequence + 1) != (promotion.previous, promotion.sequence):
        raise PreconditionError(
            f"{promotion.environment} was promoted to {record.release} in the meantime "
            f"(promotion {record.sequence}); nothing was written",
            hint=f"inv status, then inv promote {promotion.environment} again",
        )
    return _event("opened", record.opened(promotion))


def taken_over(snapshot: Snapshot, former: Promotion, mine: Promotion) -> Event | None:
    """Record that an open promotion has another holder.

    Raises:
        BusyError: somebody else took it over first.
        PreconditionError: it is no longer open.
    """
    record = snapshot.environment(former.environment)
    if record.open is not None and record.open.id == mine.id:
        return None
    require_holder(record, former)
    return _event("taken-over", record.taken_over(mine.id, mine.host))


def closed(
    snapshot: Snapshot,
    promotion: Promotion,
    outcome: Ending,
    at: datetime,
    by: str,
    message: str = "",
    deployed_by: DeployedBy | None = None,
) -> Event | None:
    """Record an outcome, when which releases ran, and what was deployed.

    Raises:
        BusyError, PreconditionError: the promotion is no longer ours.
    """
    record = snapshot.environment(promotion.environment)
    if record.promotion and record.promotion.id == promotion.id and not record.open:
        return None
    require_holder(record, promotion)
    files = _definitions(snapshot, record, outcome, deployed_by)
    if outcome == "done":
        return _event("done", record.done(at, by), {**files, **_runs(snapshot, record, at)})
    return _event(outcome, record.undone(outcome, at, by, message), files)


def _definitions(
    snapshot: Snapshot, record: EnvironmentRecord, outcome: Ending, deployed_by: DeployedBy | None
) -> Files:
    """Return what an environment runs by now, and the bundle of the release that it runs."""
    sha = record.open.release if record.open and outcome == "done" else record.release
    if deployed_by is None or sha is None:
        return {}
    name, made = record.environment, deployed_by.record
    return {
        deployment_path(name): deployed_by.definition,
        deployed_path(name): made.following(snapshot.deployed(name)),
        bundle_path(name, sha, made.place.engine): deployed_by.bundle,
    }


def broke(snapshot: Snapshot, promotion: Promotion, message: str) -> Event | None:
    """Record that a promotion failed without the previous release back; it stays open."""
    record = snapshot.environment(promotion.environment)
    require_holder(record, promotion)
    if record.open and record.open.outcome == "broken":
        return None
    return _event("broken", record.broken(message))


def require_holder(record: EnvironmentRecord, promotion: Promotion) -> None:
    """Refuse to go on with a promotion that is no longer ours.

    Raises:
        BusyError: another process locks the environment now.
        PreconditionError: the promotion was ended by somebody else.
    """
    if record.open is None:
        ended = record.promotion.outcome if record.promotion else "gone"
        raise PreconditionError(
            f"promotion {promotion.sequence} of {record.environment} was ended by somebody else "
            f"({ended}); nothing more was changed",
            hint="inv status",
        )
    if record.open.id != promotion.id:
        raise busy(record.open)


def busy(promotion: Promotion) -> BusyError:
    """Return the error that names what locks an environment."""
    name = promotion.environment
    return BusyError(
        f"{name} is locked by {promotion.kind} {promotion.sequence} to {promotion.release}, begun "
        f"by {promotion.actor} on {promotion.host} "
        f"at {promotion.started_at:%Y-%m-%d %H:%M:%S} UTC",
        hint=f"wait until it ends; if its process is gone: inv resume {name}, "
        f"or {promotion.abort_command}",
    )


def _runs(snapshot: Snapshot, record: EnvironmentRecord, at: datetime) -> Files:
    """Return the records of the release that came and of the one that it replaced."""
    name, promotion = record.environment, record.open
    assert promotion is not None
    files: Files = {}
    if record.release and record.release != promotion.release:
        left = snapshot.run(name, record.release)
        if left:
            rolled_back = promotion.kind == "rollback"
            blocked = (promotion.reason or "rolled back") if rolled_back else ""
            ended = left.model_copy(update={"until": at, "blocked": blocked})
            files[run_path(name, record.release)] = ended
    known = snapshot.run(name, promotion.release)
    since = known.since if known and known.until is None else at
    files[run_path(name, promotion.release)] = RunRecord(
        release=promotion.release, sequence=promotion.sequence, since=since
    )
    return files


def _event(what: str, record: EnvironmentRecord, files: Files | None = None) -> Event:
    """Return the event that leaves ``record`` behind, with its promotion as trailers."""
    promotion = record.promotion
    assert promotion is not None
    facts = (
        ("Event", what),
        ("Environment", record.environment),
        ("Sequence", str(promotion.sequence)),
        ("Kind", promotion.kind),
        ("Release", promotion.release),
        ("Previous", promotion.previous or ""),
        ("Promotion", promotion.id),
        ("Actor", promotion.actor),
        ("Host", promotion.host),
        ("Reason", promotion.reason),
        ("Overrides", ",".join(promotion.overrides)),
        ("Message", promotion.message),
    )
    return Event(
        f"{promotion.title}: {what}",
        tuple((key, value) for key, value in facts if value),
        {environment_path(record.environment): record, **(files or {})},
    )
