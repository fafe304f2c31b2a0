"""What a command is going to do, as data. Pure: no file, no process, no clock.

An observation of the world goes in; a plan comes out, or the reason why there is none. The
dry run prints the very steps that the real run walks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from buildonce.environment import EnvironmentRecord, Operation, Outcome
from buildonce.errors import IntegrityError, PreconditionError
from buildonce.refs import Digest, ImageRef, short
from buildonce.release import Release

Digests = Mapping[str, Digest | None]


@dataclass(frozen=True)
class Bake:
    """Build services' images in one Buildx invocation and push them under ``tags``."""

    revision: str
    tags: Mapping[str, ImageRef]

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"build {', '.join(self.tags)} once from {self.revision[:12]} and push"


@dataclass(frozen=True)
class RecordRelease:
    """Write the digests of what was built into the ledger; the first to write them wins."""

    sha: str
    services: tuple[str, ...]

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"record release {self.sha} ({', '.join(self.services)}) in the ledger"


@dataclass(frozen=True)
class Point:
    """Make a tag name a digest, byte for byte, and read it back."""

    service: str
    tag: ImageRef
    old: Digest | None
    new: Digest

    def describe(self) -> str:
        """Return the step as a sentence."""
        before = short(self.old) if self.old else "nothing"
        return f"point {self.tag} from {before} to {short(self.new)}"


@dataclass(frozen=True)
class Unpoint:
    """Remove a pointer: the environment runs nothing."""

    service: str
    tag: ImageRef

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"remove the pointer {self.tag}"


@dataclass(frozen=True)
class OpenPromotion:
    """Write the intent into the ledger: from now on it holds the environment."""

    environment: str
    operation: Operation

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"record {_named(self.environment, self.operation)}: in progress"


@dataclass(frozen=True)
class TakeOver:
    """Become the holder of a promotion that was left open; its former holder loses it."""

    environment: str
    operation: Operation
    new_id: str
    host: str

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"take over {_named(self.environment, self.operation)}"


@dataclass(frozen=True)
class ClosePromotion:
    """Write the outcome into the ledger."""

    environment: str
    operation: Operation
    outcome: Outcome
    message: str = ""

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"record {_named(self.environment, self.operation)}: {self.outcome}"


@dataclass(frozen=True)
class PruneReleases:
    """Take releases out of use in the ledger: nothing can be promoted to them any more."""

    shas: tuple[str, ...]

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"record in the ledger that {_count(self.shas)} may go"


@dataclass(frozen=True)
class RemoveTag:
    """Remove the tag of a pruned release and nothing else."""

    sha: str
    tag: ImageRef

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"remove the tag {self.tag}"


@dataclass(frozen=True)
class ForgetReleases:
    """Write into the ledger that the tags of pruned releases are gone."""

    shas: tuple[str, ...]

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"record in the ledger that the tags of {_count(self.shas)} are gone"


Step = (
    Bake
    | RecordRelease
    | Point
    | Unpoint
    | OpenPromotion
    | TakeOver
    | ClosePromotion
    | PruneReleases
    | RemoveTag
    | ForgetReleases
)


@dataclass(frozen=True)
class Plan:
    """The steps of one command, in order. Without steps, ``summary`` says why."""

    summary: str
    steps: tuple[Step, ...] = ()

    @property
    def points(self) -> tuple[Point, ...]:
        """The tags that move."""
        return tuple(step for step in self.steps if isinstance(step, Point))


def plan_build(
    revision: str,
    sha: str,
    tags: Mapping[str, ImageRef],
    record: Release | None,
    found: Digests,
) -> Plan:
    """Plan the build of the services in ``tags``.

    Args:
        revision: the commit's full id.
        sha: its short form, the tag.
        tags: the reference ``:<sha>`` of every service asked for.
        record: the release's record, where there is one.
        found: what each reference names now.

    Raises:
        IntegrityError: a tag holds other bytes than the record says.
    """
    recorded = record.digests() if record else {}
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
        steps += [Bake(revision, to_build), RecordRelease(sha, tuple(to_build))]
    return Plan(f"build {sha}", tuple(steps))


def plan_promotion(
    record: EnvironmentRecord, release: Release, operation: Operation, pointers: Digests
) -> Plan:
    """Plan what makes an environment run a release; a rollback is planned no differently.

    Args:
        record: the environment's present record.
        release: the release to run.
        operation: who promotes, when and why.
        pointers: what the environment's pointer names now, for each service.

    Raises:
        PreconditionError: the release is not whole.
    """
    require_whole(release)
    moves = pointer_moves(record.environment, release, pointers)
    title = f"{record.environment} to {release.sha}"
    if not moves and record.release == release.sha and record.operation is None:
        return Plan(f"{record.environment} runs {release.sha} already: nothing to do")
    return Plan(
        f"{operation.kind} of {title}",
        (
            OpenPromotion(record.environment, operation),
            *moves,
            ClosePromotion(record.environment, operation, "done"),
        ),
    )


def plan_resume(
    record: EnvironmentRecord, release: Release, pointers: Digests, new_id: str, host: str
) -> Plan:
    """Plan how an open promotion is finished, whatever of it has been done already.

    Raises:
        PreconditionError: none is open.
    """
    operation = _open_operation(record)
    mine = operation.model_copy(update={"id": new_id, "host": host})
    return Plan(
        f"resume {_named(record.environment, operation)}",
        (
            TakeOver(record.environment, operation, new_id, host),
            *pointer_moves(record.environment, release, pointers),
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
) -> Plan:
    """Plan how an open promotion is undone: the release before it is put back.

    Raises:
        PreconditionError: none is open.
    """
    operation = _open_operation(record)
    mine = operation.model_copy(update={"id": new_id, "host": host})
    return Plan(
        f"abort {_named(record.environment, operation)}",
        (
            TakeOver(record.environment, operation, new_id, host),
            *pointers_back(record.environment, release, previous, pointers),
            ClosePromotion(record.environment, mine, "aborted"),
        ),
    )


def pointers_back(
    environment: str, release: Release, previous: Release | None, pointers: Digests
) -> tuple[Point | Unpoint, ...]:
    """Return what makes the pointers name ``previous`` again after an attempt at ``release``."""
    kept = previous.services if previous else {}
    removed = [
        Unpoint(name, image.tag(environment))
        for name, image in release.services.items()
        if name not in kept and pointers.get(name) is not None
    ]
    back = pointer_moves(environment, previous, pointers) if previous else ()
    return (*back, *removed)


def pointer_moves(environment: str, release: Release, pointers: Digests) -> tuple[Point, ...]:
    """Return the pointers that have to move for an environment to name a release."""
    return tuple(
        Point(name, image.tag(environment), pointers.get(name), image.digest)
        for name, image in release.services.items()
        if pointers.get(name) != image.digest
    )


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


def _open_operation(record: EnvironmentRecord) -> Operation:
    if record.operation is None:
        raise PreconditionError(
            f"no promotion of {record.environment} is in progress", hint="inv status"
        )
    return record.operation


def _named(environment: str, operation: Operation) -> str:
    return f"{operation.kind} {operation.sequence} of {environment} to {operation.release}"


def _count(shas: tuple[str, ...]) -> str:
    return f"release {shas[0]}" if len(shas) == 1 else f"{len(shas)} releases"
