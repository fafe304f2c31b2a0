"""The plan of a build: what is missing of a commit's release. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from buildonce.build.pins import Pins
from buildonce.errors import IntegrityError, PreconditionError
from buildonce.git.repository import Commit
from buildonce.ledger.records.release import Release
from buildonce.plan.plans import Plan
from buildonce.plan.pointers import Pointers
from buildonce.plan.steps import Bake, Point, RecordRelease, Step
from buildonce.refs import ImageRef


def plan_build(
    commit: Commit,
    sha: str,
    tags: Mapping[str, ImageRef],
    record: Release | None,
    found: Pointers,
    pins: Mapping[str, Pins],
) -> Plan:
    """Plan the build of the services in ``tags``.

    Args:
        commit: what is to be built.
        sha: its short form, the tag.
        tags: the reference ``:<sha>`` of every service asked for.
        record: the release's record, where there is one.
        found: what each reference names now.
        pins: what each service that is not recorded takes from outside.

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
                hint="nothing was overwritten; find out who pushed it; the recorded digest "
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
        steps += [
            Bake(commit, to_build, {name: pins[name] for name in to_build}),
            RecordRelease(commit.revision, sha, tuple(to_build)),
        ]
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
