"""What registries have of a release's images: recorded digests against bytes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Protocol

from buildonce.errors import IntegrityError, UnavailableError
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.records.release import Image, Release
from buildonce.ledger.snapshot import Snapshot
from buildonce.refs import Digest, ImageRef, is_revision, short
from buildonce.registry import Manifest
from buildonce.targets import Targets
from buildonce.verify.evidence import NOTHING, Evidence, unchecked

BUILT = "built image"
PLAIN = "a plain manifest"
UNLABELLED = "it was built elsewhere, and no label names a commit"


class Images(Protocol):
    """What evidence is read from."""

    def manifest(self, ref: ImageRef) -> Manifest | None:
        """Return what a reference names."""
        ...

    def revision(self, manifest: Manifest) -> str | None:
        """Return the commit that an image's label names."""
        ...


class ReadOnce:
    """Reads each reference once, however many environments ask for it."""

    def __init__(self, images: Images) -> None:
        self.manifest = cache(images.manifest)
        self.revision = cache(images.revision)


def rows(
    images: Images, record: EnvironmentRecord, release: Release, service: str, points: bool
) -> list[Evidence]:
    """Return the rows of one image: its bytes, its tags, what it says of itself."""
    image = release.services[service]
    name = record.environment
    manifest = images.manifest(image.ref)
    tag, pointer = release.tag_of(service), image.tag(name)

    def row(
        check: str, where: object, expected: str, found: str, *, lasting: bool = True
    ) -> Evidence:
        return Evidence(name, service, check, str(where), expected, found, lasting=lasting)

    found_type, found_revision = _inside(images, manifest)
    carried = f", built from {image.built_from[:12]}" if image.built_from else ""
    label = f"revision label{carried}"
    return [
        row("bytes", image.ref, image.digest, manifest.digest if manifest else NOTHING),
        row("commit tag", tag, image.digest, _there(images, tag)),
        *(
            [row("pointer", pointer, image.digest, _there(images, pointer), lasting=False)]
            if points
            else []
        ),
        row("media type", image.ref, _kind(image.platforms), found_type),
        *(
            row(f"platform, {platform}", ref, ref.reference, _there(images, ref))
            for platform, ref in image.manifests.items()
        ),
        unchecked(name, service, label, str(image.ref), UNLABELLED)
        if image.imported and not is_revision(found_revision)
        else row(label, image.ref, release.revision_of(service), found_revision),
    ]


def original(images: Images, environment: str, service: str, image: Image) -> list[Evidence]:
    """Return the row of what was built, of an image that the environment has a copy of."""
    try:
        manifest = images.manifest(image.ref)
    except UnavailableError as error:
        return [unchecked(environment, service, BUILT, str(image.ref), error.message)]
    found = manifest.digest if manifest else NOTHING
    where = str(image.ref)
    return [Evidence(environment, service, BUILT, where, image.digest, found, lasting=True)]


def leftovers(
    images: Images,
    snapshot: Snapshot,
    record: EnvironmentRecord,
    release: Release,
    targets: Targets,
) -> list[Evidence]:
    """Return a row for each pointer of a service that the release has no longer."""
    dropped: dict[str, ImageRef] = {}
    for past in record.successes:
        known = snapshot.release(past.release)
        known = known and targets.pulled(record.environment, known.only(past.services))
        for service, image in known.services.items() if known else ():
            if service not in release.services:
                dropped.setdefault(service, image.tag(record.environment))
    return [
        unchecked(
            record.environment, service, "left over", "registry",
            f"{tag} still names {short(found.digest)}",
        )
        for service, tag in dropped.items()
        if (found := images.manifest(tag))
    ]  # fmt: skip


def _there(images: Images, ref: ImageRef) -> str:
    manifest = images.manifest(ref)
    return manifest.digest if manifest else NOTHING


def _inside(images: Images, manifest: Manifest | None) -> tuple[str, str]:
    if manifest is None:
        return NOTHING, NOTHING
    kind = manifest.media_type
    try:
        named = {} if manifest.is_plain else manifest.platforms
        if manifest.is_plain or (named and "" not in named):
            kind = _kind(named)
        return kind, images.revision(manifest) or NOTHING
    except IntegrityError as error:
        return kind, error.message


def _kind(platforms: Mapping[str, Digest]) -> str:
    return f"an index of {', '.join(sorted(platforms))}" if platforms else PLAIN
