"""What a command is going to do, as data. Pure: no file, no process, no clock.

An observation of the world goes in; a plan comes out, or the reason why there is none. The
dry run prints the very steps that the real run walks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from buildonce.errors import IntegrityError, PreconditionError
from buildonce.git.repository import Commit
from buildonce.ledger.records.environment import EnvironmentRecord, Operation
from buildonce.ledger.records.release import Release
from buildonce.plan.steps import (
    Bake,
    ClosePromotion,
    Confirm,
    Deploy,
    OpenPromotion,
    Point,
    Prepare,
    RecordRelease,
    RunBefore,
    Step,
    TakeOver,
    Unpoint,
    named,
)
from buildonce.refs import Digest, ImageRef

Digests = Mapping[str, Digest | None]


@dataclass(frozen=True)
class Plan:
    """The steps of one command, in order. Without steps, ``summary`` says why."""

    summary: str
    steps: tuple[Step, ...] = ()


def plan_build(
    commit: Commit,
    sha: str,
    tags: Mapping[str, ImageRef],
    record: Release | None,
    found: Digests,
) -> Plan:
    """Plan the build of the services in ``tags``.

    Args:
        commit: what is to be built.
        sha: its short form, the tag.
        tags: the reference ``:<sha>`` of every service asked for.
        record: the release's record, where there is one.
        found: what each reference names now.

    Raises:
        PreconditionError: the release is recorded in another repository.
        IntegrityError: a tag holds other bytes than the record says.
    """
    recorded = record.digests() if record else {}
    _require_same_place(tags, record)
    for service, digest in recorded.items():
        if service in tags and found[service] not in (digest, None):
            raise IntegrityError(
                f"{tags[service]} holds {found[service]}, but the release's record says {digest}",
                hint="nothing was overwritten; find out who pushed it: the digest that counts "
                f"is still {tags[service].repository}@{digest}",
            )
    to_build = {name: ref for name, ref in tags.items() if name not in recorded}
    to_restore = [
        Point(name, ref, None, recorded[name])
        for name, ref in tags.items()
        if name in recorded and found[name] is None
    ]
    if not to_build and not to_restore:
        return Plan(f"{sha} is built already: {', '.join(tags)}")
    steps: list[Step] = [*to_restore]
    if to_build:
        steps += [Bake(commit, to_build), RecordRelease(commit.revision, sha, tuple(to_build))]
    return Plan(f"build {sha}", tuple(steps))


def _require_same_place(tags: Mapping[str, ImageRef], record: Release | None) -> None:
    for service, image in record.services.items() if record else ():
        if service in tags and str(tags[service].repository) != image.image:
            raise PreconditionError(
                f"{service} of this commit was built as {image.image}, and the configuration says "
                f"{tags[service].repository}",
                hint="a release stays where it was pushed; build another commit, or put "
                "tool.buildonce.registry and image back",
            )


@dataclass(frozen=True)
class Hosting:
    """How an environment runs releases, and whether it does run the one in question.

    ``deploys`` is False where only pointers move; ``before`` says that a command runs first.
    """

    deploys: bool = False
    before: bool = False
    in_step: bool = True


POINTERS_ONLY = Hosting()


def plan_promotion(
    record: EnvironmentRecord,
    release: Release,
    previous: Release | None,
    operation: Operation,
    pointers: Digests,
    hosting: Hosting = POINTERS_ONLY,
) -> Plan:
    """Plan what makes an environment run a release; a rollback is planned no differently.

    Args:
        record: the environment's present record.
        release: the release to run.
        previous: what it runs now, if anything.
        operation: who promotes, when and why.
        pointers: what the environment's pointer names now, for each service.
        hosting: how the environment runs releases.

    Raises:
        PreconditionError: the release is not whole.
    """
    require_whole(release)
    moves = pointers_to(record.environment, release, previous, pointers)
    title = f"{record.environment} to {release.sha}"
    settled = record.release == release.sha and record.operation is None
    if settled and not moves and hosting.in_step:
        return Plan(f"{record.environment} runs {release.sha} already: nothing to do")
    return Plan(
        f"{operation.kind} of {title}",
        (
            *_prepare(record.environment, release, hosting),
            OpenPromotion(record.environment, operation),
            *_before(record, operation, release, hosting),
            *moves,
            *_deploy(record.environment, release, hosting),
            ClosePromotion(record.environment, operation, "done"),
        ),
    )


def plan_resume(
    record: EnvironmentRecord,
    release: Release,
    previous: Release | None,
    pointers: Digests,
    new_id: str,
    host: str,
    hosting: Hosting = POINTERS_ONLY,
) -> Plan:
    """Plan how an open promotion is finished, whatever of it has been done already.

    Raises:
        PreconditionError: none is open.
    """
    operation = _open_operation(record)
    mine = operation.model_copy(update={"id": new_id, "host": host})
    return Plan(
        f"resume {named(record.environment, operation)}",
        (
            *_prepare(record.environment, release, hosting),
            TakeOver(record.environment, operation, new_id, host),
            *_before(record, operation, release, hosting),
            *pointers_to(record.environment, release, previous, pointers),
            *_deploy(record.environment, release, hosting),
            ClosePromotion(record.environment, mine, "done"),
        ),
    )


def plan_abort(
    record: EnvironmentRecord,
    release: Release,
    previous: Release | None,
    pointers: Digests,
    new_id: str,
    host: str,
    hosting: Hosting = POINTERS_ONLY,
    reason: str = "",
) -> Plan:
    """Plan how an open promotion is undone: the release before it is put back.

    Raises:
        PreconditionError: none is open.
    """
    operation = _open_operation(record)
    mine = operation.model_copy(update={"id": new_id, "host": host})
    return Plan(
        f"abort {named(record.environment, operation)}",
        (
            TakeOver(record.environment, operation, new_id, host),
            *pointers_to(record.environment, previous, release, pointers),
            *(_deploy(record.environment, previous, hosting) if previous else ()),
            ClosePromotion(record.environment, mine, "aborted", reason),
        ),
    )


def put_back(
    environment: str,
    operation: Operation,
    release: Release,
    previous: Release | None,
    pointers: Digests,
    redeploy: bool,
    message: str,
) -> tuple[Step, ...]:
    """Return the steps that put an environment back after an operation failed.

    Args:
        environment: the environment.
        operation: what failed.
        release: what it tried to bring.
        previous: what ran before, if anything did.
        pointers: what the pointers name now.
        redeploy: whether containers may have been changed.
        message: why it failed, for the record.
    """
    hosting = Hosting(deploys=redeploy)
    return (
        *pointers_to(environment, previous, release, pointers),
        *(_deploy(environment, previous, hosting) if previous else ()),
        ClosePromotion(environment, operation, "failed", message),
    )


def pointers_to(
    environment: str, release: Release | None, other: Release | None, pointers: Digests
) -> tuple[Point | Unpoint, ...]:
    """Return what makes the pointers name ``release``, where they may have named ``other``.

    A service that only the other one has is left without a pointer.
    """
    wanted = release.services if release else {}
    moved = [
        Point(name, image.tag(environment), pointers.get(name), image.digest)
        for name, image in wanted.items()
        if pointers.get(name) != image.digest
    ]
    removed = [
        Unpoint(name, image.tag(environment))
        for name, image in (other.services if other else {}).items()
        if name not in wanted and pointers.get(name) is not None
    ]
    return (*moved, *removed)


def require_whole(release: Release) -> None:
    """Refuse a release that lacks services.

    Raises:
        PreconditionError: naming those that are missing.
    """
    missing = release.missing()
    if missing:
        raise PreconditionError(
            f"release {release.sha} is not whole: {', '.join(missing)} was not built",
            hint=f"inv build --sha {release.sha}",
        )


def _prepare(environment: str, release: Release, hosting: Hosting) -> tuple[Step, ...]:
    return (Prepare(environment, release),) if hosting.deploys else ()


def _before(
    record: EnvironmentRecord, operation: Operation, release: Release, hosting: Hosting
) -> tuple[Step, ...]:
    """Return the one-off step: it leads to a release, and has no place on the way back."""
    forward = operation.kind == "promotion" and record.release != release.sha
    return (RunBefore(record.environment, release),) if hosting.before and forward else ()


def _deploy(environment: str, release: Release, hosting: Hosting) -> tuple[Step, ...]:
    if not hosting.deploys:
        return ()
    return (Deploy(environment, release), Confirm(environment, release))


def _open_operation(record: EnvironmentRecord) -> Operation:
    if record.operation is None:
        raise PreconditionError(
            f"no promotion of {record.environment} is in progress", hint="inv status"
        )
    return record.operation
