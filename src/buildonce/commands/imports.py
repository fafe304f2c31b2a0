"""Images that are built elsewhere, and come into a release by digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from buildonce.app import App
from buildonce.config import Project
from buildonce.errors import PreconditionError, UsageError
from buildonce.git.repository import Commit
from buildonce.ledger.records.release import ImageRecord, Release
from buildonce.parallel import run_by_key
from buildonce.plan.steps import Carried
from buildonce.refs import Digest, ImageRef, is_revision, parse_digest
from buildonce.registry import Manifest


def given_digests(project: Project, digests: Sequence[str]) -> dict[str, Digest]:
    """Return the digests to import, by service, from ``service=sha256:…``.

    Raises:
        UsageError: one is none, or its service is built here.
    """
    given: dict[str, Digest] = {}
    for text in digests:
        service, _, digest = text.partition("=")
        if not project.service(service).image:
            raise UsageError(
                f"--digest {text}: {service} is built here",
                hint=f"tool.buildonce.services.{service}.image says where something else pushes it",
            )
        given[service] = parse_digest(digest)
    return given


def require_same(record: Release | None, given: Mapping[str, Digest]) -> None:
    """Refuse another digest than the one that a release has already.

    Raises:
        PreconditionError: the release has another one.
    """
    for service, digest in given.items():
        image = record.services.get(service) if record else None
        if record and image and image.digest != digest:
            raise PreconditionError(
                f"release {record.sha} has {service} as {image.digest} already, not {digest}",
                hint="a recorded digest does not change: import it for another commit",
            )


def imported(
    app: App, commit: Commit, tags: Mapping[str, ImageRef], given: Mapping[str, Digest]
) -> dict[str, Carried]:
    """Return the images of those services in ``tags`` that are built elsewhere.

    Each is the one with the digest that is given or, without one, what its ``:<sha>`` names.

    Raises:
        PreconditionError: there is no such image, or it is an index of several platforms.
    """
    elsewhere = {name: tag for name, tag in tags.items() if name not in app.project.built}
    wanted = {
        name: tag.repository.at(given[name]) if name in given else tag
        for name, tag in elsewhere.items()
    }
    present = run_by_key(app.registry.digest, elsewhere)
    found = run_by_key(app.registry.manifest, wanted)
    return {
        name: Carried(tag, _record(app, commit, manifest), manifest)
        for name, tag in elsewhere.items()
        for manifest in [_usable(name, tag, wanted[name], present[name], found[name])]
    }


def _usable(
    service: str, tag: ImageRef, wanted: ImageRef, present: Digest | None, found: Manifest | None
) -> Manifest:
    if found is None:
        raise PreconditionError(
            f"service {service}: {wanted} is not in its registry",
            hint="push it first, or name what was pushed: inv build --sha --digest "
            f"{service}=sha256:…",
        )
    if present not in (found.digest, None):
        raise PreconditionError(
            f"service {service}: {tag} names {present}, not {found.digest}",
            hint="nothing was overwritten; find out who pushed it, or leave out --digest",
        )
    if not found.is_plain:
        raise PreconditionError(
            f"service {service}: {found.ref} is an index of several images ({found.media_type})",
            hint="push one platform's image there, without attestations "
            "(docker buildx build --provenance=false)",
        )
    return found


def _record(app: App, commit: Commit, manifest: Manifest) -> ImageRecord:
    label = app.registry.revision(manifest) or ""
    return ImageRecord(
        image=str(manifest.ref.repository),
        digest=manifest.digest,
        identity=hashlib.sha256(manifest.digest.encode()).hexdigest(),
        revision=label if is_revision(label) else commit.revision,
        settings="",
        sources={},
        imported=True,
    )
