"""``inv rollback``: back to a release that an environment ran before."""

from __future__ import annotations

from buildonce.app import App
from buildonce.commands.promote import carry_out
from buildonce.commands.releases import sha_of
from buildonce.errors import PreconditionError
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.records.promotion import Request
from buildonce.ledger.snapshot import Snapshot
from buildonce.plan.gates import require_reversible


def rollback(app: App, environment: str, name: str | None, reason: str) -> None:
    """Make an environment run an earlier release that it ran before."""
    app.project.environment(environment)
    snapshot = app.ledger.read()
    record = snapshot.environment(environment)
    sha = _earlier(app, snapshot, record, name) if name else _latest(snapshot, record)
    require_reversible(record, sha, reason)
    request = Request(environment=environment, kind="rollback", release=sha, reason=reason)
    carry_out(app, snapshot, request)


def _earlier(app: App, snapshot: Snapshot, record: EnvironmentRecord, name: str) -> str:
    sha = sha_of(app, snapshot, name)
    if snapshot.proof(record.environment, sha) is None:
        raise PreconditionError(
            f"{sha} never ran in {record.environment}, or was pruned since",
            hint=f"inv history {record.environment}",
        )
    return sha


def _require_not_rolled_back(record: EnvironmentRecord) -> None:
    """Refuse a second rollback without a release: two people may have had the same idea."""
    latest = record.promotion
    if latest and latest.kind == "rollback" and latest.outcome == "done" and latest.finished_at:
        raise PreconditionError(
            f"{record.environment} was rolled back already, from {latest.previous} to "
            f"{latest.release}, by {latest.actor} at {latest.finished_at:%Y-%m-%d %H:%M:%S} UTC",
            hint=f"to go further back: inv rollback {record.environment} --to SHA, of those in "
            f"inv history {record.environment}",
        )


def _latest(snapshot: Snapshot, record: EnvironmentRecord) -> str:
    _require_not_rolled_back(record)
    ways_back = snapshot.ways_back(record)
    if ways_back:
        return ways_back[0]
    raise PreconditionError(
        f"{record.environment} has no earlier release to go back to",
        hint=f"inv history {record.environment}; to one that is blocked: "
        f"inv rollback {record.environment} --to SHA --reason TEXT",
    )
