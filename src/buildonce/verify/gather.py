"""Gathers evidence that environments run what was built: recorded digests against bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Protocol

from buildonce.engines.base import Observer
from buildonce.errors import BuildonceError, IntegrityError, UnavailableError
from buildonce.ledger.records.deployment import DeploymentRecord
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.records.release import Image, Release
from buildonce.ledger.snapshot import Snapshot, deployed_path, environment_path, release_path
from buildonce.parallel import run_all
from buildonce.refs import Digest, ImageRef, is_revision, short
from buildonce.registry import Manifest
from buildonce.targets import Targets
from buildonce.verify import deployed, former
from buildonce.verify.evidence import NOTHING, Evidence, unchecked

PLAIN = "a plain manifest"
ANSWER = "an answer"
ONLY_POINTERS = "the configuration names no engine: only pointers move"
OTHERS = "others' image"
UNLABELLED = "it was built elsewhere, and no label names a commit"


class Images(Protocol):
    """What evidence is read from."""

    def manifest(self, ref: ImageRef) -> Manifest | None:
        """Return what a reference names."""
        ...

    def revision(self, manifest: Manifest) -> str | None:
        """Return the commit that an image's label names."""
        ...


class _ReadOnce:
    """Reads each reference once, however many environments ask for it."""

    def __init__(self, images: Images) -> None:
        self.manifest = cache(images.manifest)
        self.revision = cache(images.revision)


BUILT = "built image"


def gather(
    snapshot: Snapshot,
    environments: Sequence[str],
    images: Images,
    targets: Targets,
) -> list[Evidence]:
    """Return the evidence for each environment against its own record.

    Where an environment pulls from a registry of its own, what was built is looked at as well.
    """
    images = _ReadOnce(images)
    _load(snapshot, environments)
    rows: list[Evidence] = []
    jobs: list[Callable[[], list[Evidence]]] = []
    for name in environments:
        record = snapshot.environment(name)
        release = snapshot.runs(record)
        rows.append(_ledger_row(record, release))
        if release:
            rows += _foreign_images(name, release, targets)
            pulled = targets.pulled(name, release)
            settings = targets.project.environment(name)
            points = settings.pointers
            jobs += [
                partial(_service_rows, images, record, pulled, service, points)
                for service in release.services
            ]
            jobs += [
                partial(_built_row, images, name, service, image)
                for service, image in release.services.items()
                if image != pulled.services[service]
            ]
            observer = targets.observe(name, release, snapshot)
            if observer is None:
                rows.append(unchecked(name, "", "containers", "engine", ONLY_POINTERS))
            else:
                kept, ours = snapshot.deployed(name), settings.deploys
                jobs.append(partial(_container_rows, observer, kept, ours=ours))
            jobs.append(partial(former.rows, name, snapshot.deployed(name), targets.remains))
            if points:
                jobs.append(partial(_leftovers, images, snapshot, record, pulled, targets))
    for found in run_all(lambda job: job(), jobs):
        rows += found
    return sorted(rows, key=lambda row: environments.index(row.environment))


def _load(snapshot: Snapshot, environments: Sequence[str]) -> None:
    """Read the environments' records, then what these name: a process for each, not for all."""
    snapshot.load(
        *(environment_path(name) for name in environments),
        *(deployed_path(name) for name in environments),
    )
    records = [snapshot.environment(name) for name in environments]
    snapshot.load(
        *(release_path(past.release) for record in records for past in record.successes),
        *(release_path(record.release) for record in records if record.release),
    )


def compare(snapshot: Snapshot, environments: Sequence[str]) -> list[Evidence]:
    """Return the evidence that environments have identical bytes: each against the first."""
    first, *others = (snapshot.environment(name) for name in environments)
    expected = _recorded(snapshot, first)
    rows = []
    for record in others:
        found, check = _recorded(snapshot, record), f"same as {first.environment}"
        for service in sorted({*expected, *found}):
            alone = [one.environment for one in (first, record) if not _is_meant(one, service)]
            rows.append(
                unchecked(record.environment, service, check, "ledger", f"not for {alone[0]}")
                if alone
                else Evidence(
                    record.environment, service, check, "ledger",
                    expected.get(service, NOTHING), found.get(service, NOTHING),
                )
            )  # fmt: skip
        rows += _others_images(snapshot, first, record)
    return rows


def _others_images(
    snapshot: Snapshot, first: EnvironmentRecord, record: EnvironmentRecord
) -> list[Evidence]:
    """Return a row for each service of one name that runs another's image, and not the same one.

    Whether environments are meant to have the same, no release says.
    """
    expected, found = (_others(snapshot, one) for one in (first, record))
    return [
        unchecked(
            record.environment, service, OTHERS, "ledger",
            f"{short(digest)}, and {short(expected[service])} in {first.environment}: "
            "with a digest in the file it would be the same",
        )
        for service, digest in found.items()
        if service in expected and expected[service] != digest
    ]  # fmt: skip


def _others(snapshot: Snapshot, record: EnvironmentRecord) -> dict[str, Digest]:
    """Return what services that are not of the release ran when they were deployed."""
    deployed, own = snapshot.deployed(record.environment), {*_recorded(snapshot, record).values()}
    services = deployed.services.items() if deployed else ()
    return {name: one.digest for name, one in services if one.digest and one.digest not in own}


def _is_meant(record: EnvironmentRecord, service: str) -> bool:
    """Tell whether an environment is to run a service, where a release has it."""
    return not record.services or service in record.services


def _recorded(snapshot: Snapshot, record: EnvironmentRecord) -> dict[str, str]:
    release = snapshot.runs(record)
    return {name: str(digest) for name, digest in release.digests().items()} if release else {}


def _ledger_row(record: EnvironmentRecord, release: Release | None) -> Evidence:
    if record.open is not None:
        found = f"{record.open.kind} to {record.open.release} in progress"
    elif record.release is None:
        found = NOTHING
    elif release is None:
        found = f"release {record.release}, of which there is no record"
    else:
        found = "a release"
    return Evidence(record.environment, "", "record", "ledger", "a release", found)


def _foreign_images(environment: str, release: Release, targets: Targets) -> list[Evidence]:
    """Return a row for each image that lies elsewhere than the configuration says."""
    rows = [
        Evidence(
            environment, service, "repository", "ledger",
            str(targets.project.place_of(service)), image.image,
        )
        for service, image in release.services.items()
    ]  # fmt: skip
    return [row for row in rows if not row.holds]


def _built_row(images: Images, environment: str, service: str, image: Image) -> list[Evidence]:
    """Return the row of what was built, of an image that the environment has a copy of."""
    try:
        manifest = images.manifest(image.ref)
    except UnavailableError as error:
        return [unchecked(environment, service, BUILT, str(image.ref), error.message)]
    found = manifest.digest if manifest else NOTHING
    return [Evidence(environment, service, BUILT, str(image.ref), image.digest, found)]


def _service_rows(
    images: Images, record: EnvironmentRecord, release: Release, service: str, points: bool
) -> list[Evidence]:
    image = release.services[service]
    name = record.environment
    manifest = images.manifest(image.ref)
    tag, pointer = release.tag_of(service), image.tag(name)

    def row(check: str, where: object, expected: str, found: str) -> Evidence:
        return Evidence(name, service, check, str(where), expected, found)

    found_type, found_revision = _inside(images, manifest)
    carried = f", built from {image.built_from[:12]}" if image.built_from else ""
    label = f"revision label{carried}"
    return [
        row("bytes", image.ref, image.digest, manifest.digest if manifest else NOTHING),
        row("commit tag", tag, image.digest, _there(images, tag)),
        *([row("pointer", pointer, image.digest, _there(images, pointer))] if points else []),
        row("media type", image.ref, _kind(image.platforms), found_type),
        *(
            row(f"platform, {platform}", ref, ref.reference, _there(images, ref))
            for platform, ref in image.manifests.items()
        ),
        unchecked(name, service, label, str(image.ref), UNLABELLED)
        if image.imported and not is_revision(found_revision)
        else row(label, image.ref, release.revision_of(service), found_revision),
    ]


def _container_rows(
    observer: Observer, record: DeploymentRecord | None, *, ours: bool
) -> list[Evidence]:
    name = observer.deployment.target.name
    try:
        found = observer.running()
    except BuildonceError as error:
        return [Evidence(name, "", "containers", "engine", ANSWER, error.message)]
    return deployed.rows(observer, found, record) if ours else deployed.observed(observer, found)


def _leftovers(
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
