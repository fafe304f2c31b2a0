"""``inv retire``: an environment that is no more."""

from __future__ import annotations

from buildonce.app import App
from buildonce.commands.observe import pointers_of
from buildonce.errors import PreconditionError
from buildonce.ledger.snapshot import Snapshot
from buildonce.plan.plans import Plan
from buildonce.plan.pointers import moves
from buildonce.plan.steps import RetireEnvironment


def retire(app: App, environment: str, reason: str) -> None:
    """Take an environment that is no longer configured out of the ledger, with its pointers.

    Raises:
        PreconditionError: it is configured, unknown to the ledger, or being promoted.
    """
    if environment in app.project.environments:
        raise PreconditionError(
            f"{environment} is still configured",
            hint=f"remove [tool.buildonce.environments.{environment}] first; its containers, if "
            "any, are not stopped by this",
        )
    snapshot = app.ledger.read()
    _require_idle(snapshot, environment)
    release = snapshot.runs(snapshot.environment(environment))
    pointers = pointers_of(app, environment, release)
    removals = moves(environment, None, release, pointers, may_wait=True)
    app.carry_out(
        Plan(f"retire {environment}", (*removals, RetireEnvironment(environment, reason)))
    )
    if not app.dry_run:
        app.report.say(f"{environment} is retired: inv prune may remove what only it needed")


def _require_idle(snapshot: Snapshot, environment: str) -> None:
    known = [*snapshot.names("environments"), *snapshot.folders("runs")]
    if environment not in known:
        listed = ", ".join(sorted(set(known))) or "none"
        raise PreconditionError(
            f"the ledger has no environment {environment}", hint=f"it has: {listed}"
        )
    promotion = snapshot.environment(environment).open
    if promotion is not None:
        raise PreconditionError(
            f"{promotion.title} is still open",
            hint=f"configure {environment} again, then: {promotion.abort_command}",
        )
