"""What has to hold before a promotion is planned: each gate looks at one observation."""

from __future__ import annotations

from datetime import datetime

from buildonce.engines.base import Engine
from buildonce.errors import PreconditionError, UnavailableError
from buildonce.git.remotes import same_repository
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.records.promotion import Request
from buildonce.ledger.records.release import Release
from buildonce.plan.availability import Parts, require_available
from buildonce.plan.observation import Observation
from buildonce.plan.rules import enforce, going_back, of_another_repository, violations


def pass_gates(
    seen: Observation, request: Request, registry: Parts, now: datetime, remote: str
) -> tuple[str, ...]:
    """Return the rules that the promotion breaks with leave.

    Raises:
        UsageError: an override is not a rule's name, or has no reason.
        PreconditionError: the release is incomplete or blocked, or breaks a rule, or what runs
            could not be deployed again.
        IntegrityError: a part of its images is missing in the registry.
    """
    require_complete(seen.release)
    overridden = _enforce_rules(seen, request, now, remote)
    _require_not_blocked(seen, request)
    _require_available(seen, request, registry)
    check_engines(seen.engine, seen.way_back)
    return overridden


def _require_available(seen: Observation, request: Request, registry: Parts) -> None:
    """See that the images are there; on a way back the hosts may have them where nobody answers."""
    may_be_silent = request.kind == "rollback" and seen.engine is not None
    try:
        require_available(seen.release.sha, seen.sources, registry)
    except UnavailableError:
        if not may_be_silent:
            raise


def check_engines(*engines: Engine | None) -> None:
    """See that engines can run what they are bound to: a release, and the one before it.

    Raises:
        UnavailableError: the engine does not answer.
        UsageError: a definition cannot be used, or a variable has no value.
    """
    for engine in engines:
        if engine:
            engine.check()


def require_complete(release: Release) -> None:
    """Refuse a release that lacks services.

    Raises:
        PreconditionError: naming those that are missing.
    """
    missing = release.missing()
    if missing:
        raise PreconditionError(
            f"release {release.sha} is incomplete: {', '.join(missing)} was not built",
            hint=f"inv build --sha {release.sha}",
        )


def require_reversible(record: EnvironmentRecord, release: str, reason: str) -> None:
    """Refuse to go back over an irreversible release without a reason.

    Raises:
        PreconditionError: what runs, or a release between, was promoted as irreversible.
    """
    left = [past.release for past in record.passed_over(release) if past.irreversible]
    if left and not reason:
        raise PreconditionError(
            f"{', '.join(left)} was promoted to {record.environment} as irreversible",
            hint="promote a release with a fix instead; to go back anyway: --reason TEXT",
        )


def _enforce_rules(
    seen: Observation, request: Request, now: datetime, remote: str
) -> tuple[str, ...]:
    """Return the rules that are broken with leave; none applies to a rollback or a repair."""
    if request.kind == "rollback" or seen.is_current:
        return ()
    sha, after = seen.release.sha, seen.settings.after
    ran_before = seen.snapshot.proof(after, sha) if after else None
    broken = violations(seen.settings, sha, ran_before, seen.on_branches, now, remote)
    if seen.repository and seen.promoted_from:
        here, there = seen.repository, seen.promoted_from
        if not same_repository(here, there):
            broken = [of_another_repository(seen.name, here, there, remote), *broken]
    if _goes_back(seen):
        broken = [going_back(seen.name, sha, seen.record.release or ""), *broken]
    return enforce(broken, request.overrides, request.reason)


def _goes_back(seen: Observation) -> bool:
    """Tell whether a promotion would bring a release from before the one that runs.

    Where this clone cannot tell by the commits, it does if the environment ran it before.
    """
    if seen.lineage != "unknown":
        return seen.lineage == "behind"
    run = seen.snapshot.run(seen.name, seen.release.sha)
    return run is not None and run.until is not None and not run.blocked


def _require_not_blocked(seen: Observation, request: Request) -> None:
    run = seen.snapshot.run(seen.name, seen.release.sha)
    if run and run.blocked and not request.reason:
        back = request.kind == "rollback"
        what, command, option = (
            ("roll back to", "rollback", "--to") if back else ("promote", "promote", "--sha")
        )
        raise PreconditionError(
            f"{seen.release.sha} is blocked in {seen.name}: {run.blocked}",
            hint=f"to {what} it anyway: "
            f"inv {command} {seen.name} {option} {seen.release.sha} --reason TEXT",
        )
