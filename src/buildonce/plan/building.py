"""The plan of a build: what is missing of a commit's release. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from buildonce.build.inputs import Inputs
from buildonce.errors import IntegrityError, PreconditionError
from buildonce.git.repository import Commit
from buildonce.ledger.records.release import ImageRecord, Release
from buildonce.plan.plans import Plan
from buildonce.plan.pointers import Pointers
from buildonce.plan.steps import (
    Bake,
    Carried,
    CarryOver,
    Import,
    Point,
    RecordRelease,
    Step,
    Target,
)
from buildonce.refs import ImageRef
from buildonce.registry import Manifest

NEVER_BUILT = "no commit before it that this clone knows was built"
NOT_REUSED = "reuse = false: every commit is built"


@dataclass(frozen=True)
class Candidate:
    """A service that the release lacks: its inputs, and what is known of their image.

    ``record`` is the image of the same inputs, ``manifest`` what the registry has of it, ``why``
    the reason to build it where there is none.
    """

    tag: ImageRef
    inputs: Inputs
    record: ImageRecord | None
    manifest: Manifest | None
    why: str


def plan_build(
    commit: Commit,
    sha: str,
    tags: Mapping[str, ImageRef],
    record: Release | None,
    found: Pointers,
    candidates: Mapping[str, Candidate],
    fresh: str = "",
    imported: Mapping[str, Carried] | None = None,
) -> Plan:
    """Plan the build of the services in ``tags``.

    Args:
        commit: what is to be built.
        sha: its short form, the tag.
        tags: the reference ``:<sha>`` of every service asked for.
        record: the release's record, where there is one.
        found: what the references of the services that it has name now.
        candidates: the services that it lacks.
        imported: those that it lacks and that are built elsewhere.
        fresh: why to build also what there is an image of; empty where that is reused.

    Raises:
        PreconditionError: the release is recorded in another repository.
        IntegrityError: a tag holds other bytes than the record says.
    """
    recorded = record.digests() if record else {}
    _require_same_place(tags, record)
    for service in tags.keys() & recorded.keys():
        if found[service] not in (recorded[service], None):
            raise IntegrityError(
                f"{tags[service]} holds {found[service]}, but the release's record says "
                f"{recorded[service]}",
                hint="nothing was overwritten; find out who pushed it; the recorded digest "
                f"is still {tags[service].repository}@{recorded[service]}",
            )
    steps: list[Step] = [
        Point(name, ref, None, recorded[name])
        for name, ref in tags.items()
        if name in recorded and found[name] is None
    ]
    steps += _steps(candidates, commit, fresh)
    steps += [Import(imported)] if imported else []
    new = (*candidates, *(imported or ()))
    steps += [RecordRelease(commit.revision, sha, new)] if new else []
    if not steps:
        return Plan(f"{sha} is built already: {listed(tags)}")
    return Plan(f"build {sha}", tuple(steps))


def why_built(inputs: Inputs, before: ImageRecord | None, changed: int, since: str) -> str:
    """Return why inputs have no image yet.

    Args:
        inputs: what would be built.
        before: the service's image in the release ``since``, where there is one.
        changed: how many files of the inputs have changed since that release.
    """
    if before is None:
        return f"{since} has no image of it"
    reasons = []
    if changed:
        reasons.append(f"{changed} {'file' if changed == 1 else 'files'} of its inputs changed")
    if inputs.settings != before.settings:
        reasons.append("its arguments, stage, platform or paths changed")
    reasons += [
        f"{name} is another image"
        for name, ref in inputs.pins.images.items()
        if before.sources.get(name, "").rpartition("@")[2] != ref.reference
    ]
    return f"{'; '.join(reasons) or 'the list of its inputs changed'} since {since}"


def listed(services: Collection[str], most: int = 12) -> str:
    """Return the names of services, or of more than ``most`` the first and how many more."""
    names = list(services)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _steps(candidates: Mapping[str, Candidate], commit: Commit, fresh: str) -> list[Step]:
    carried: dict[str, Carried] = {}
    targets: dict[str, Target] = {}
    for name, candidate in candidates.items():
        reason = fresh or _unusable(candidate)
        if candidate.record and candidate.manifest and not reason:
            carried[name] = Carried(candidate.tag, candidate.record, candidate.manifest)
        else:
            targets[name] = _target(candidate, reason)
    steps: list[Step] = [CarryOver(carried)] if carried else []
    steps += [Bake(commit, targets, fresh=bool(fresh))] if targets else []
    return steps


def _target(candidate: Candidate, reason: str) -> Target:
    if candidate.record is None:
        return Target(candidate.tag, candidate.inputs, reason or candidate.why, reason=reason)
    generation = candidate.record.generation + 1
    return Target(candidate.tag, candidate.inputs, reason, generation, reason)


def _unusable(candidate: Candidate) -> str:
    """Return why the image of the same inputs cannot be reused; empty where it can."""
    record = candidate.record
    if record is None:
        return ""
    if record.image != str(candidate.tag.repository):
        return f"its image is in {record.image}"
    return "" if candidate.manifest else f"{record.image}@{record.digest} is gone"


def _require_same_place(tags: Mapping[str, ImageRef], record: Release | None) -> None:
    for service, image in record.services.items() if record else ():
        if service in tags and str(tags[service].repository) != image.image:
            raise PreconditionError(
                f"{service} of this commit was built as {image.image}, and the configuration says "
                f"{tags[service].repository}",
                hint="a release stays where it was pushed; build another commit, or put "
                "tool.buildonce.registry and image back",
            )
