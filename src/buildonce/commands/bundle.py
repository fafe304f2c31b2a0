"""``inv bundle``: a release in one file, out of one network and into another."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from buildonce.app import App
from buildonce.archive.reading import ArchiveFile
from buildonce.archive.record import Archive
from buildonce.archive.writing import write
from buildonce.commands.releases import required_release, sha_of
from buildonce.errors import IntegrityError, UsageError
from buildonce.ledger.records.release import ImageRecord, Release
from buildonce.ledger.snapshot import Snapshot, bundle_path, image_path
from buildonce.parallel import run_all, run_by_key
from buildonce.plan.gates import require_complete
from buildonce.plan.plans import Plan
from buildonce.plan.steps import LoadImage, RecordLoaded
from buildonce.refs import Digest, Repository
from buildonce.registry import Manifest

AT_ONCE = 4
"""Blobs that are downloaded at the same time."""

Families = dict[str, list[Manifest]]


def save(app: App, name: str, output: Path, since: str | None = None) -> None:
    """Write a release with its images, records and bundles into a file.

    With ``since``, what the images of that release have is left out.

    Raises:
        PreconditionError: a release is not recorded, or incomplete.
        IntegrityError: a part of an image is missing, or its bytes are others.
        UsageError: the file cannot be written.
    """
    snapshot = app.ledger.read()
    release = required_release(snapshot, sha_of(app, snapshot, name))
    require_complete(release)
    earlier = required_release(snapshot, sha_of(app, snapshot, since)) if since else None
    families = _families(app, release)
    known = _blobs(_families(app, earlier)) if earlier else {}
    wanted = {digest: place for place, digest in _blobs(families) if (place, digest) not in known}
    archive = Archive(
        release=release,
        images=_records(snapshot, release),
        bundles=dict(_bundles(app, snapshot, release)),
        since=earlier.sha if earlier else "",
    )
    if app.dry_run:
        app.report.say(f"{output} would have {len(wanted)} blobs of release {release.sha}")
        return
    with tempfile.TemporaryDirectory(prefix=".buildonce-", dir=_folder(output)) as folder:
        with app.report.step(f"download {len(wanted)} blobs of {release.sha}"):
            files = _download(app, wanted, Path(folder))
        write(output, archive, families, files)
    size = output.stat().st_size / 1e6
    app.report.say(f"{output}: release {release.sha}, {size:.1f} MB")
    app.report.say(f"on the other side: inv bundle --load {output.name}")


def load(app: App, path: Path) -> None:
    """Bring a release from a file into this project's registry and ledger.

    Raises:
        UsageError: the file is none that ``inv bundle`` wrote, or has a service that is not
            configured.
        IntegrityError: the file is damaged, or has other images than are here for that release.
    """
    archive = ArchiveFile(path)
    record = archive.record
    for service in record.release.services:
        app.project.service(service)
    release = record.release.at(app.project.place_of)
    _require_the_same(app, release, path)
    images = {
        service: image.model_copy(update={"image": str(app.project.place_of(service))})
        for service, image in record.images.items()
    }
    steps = [
        LoadImage(archive, service, release.tag_of(service), image.digest)
        for service, image in release.services.items()
    ]
    app.carry_out(
        Plan(
            f"load {release.sha} from {path}",
            (*steps, RecordLoaded(release, images, record.bundles)),
        )
    )
    if not app.dry_run:
        app.report.say(
            f"release {release.sha} can be promoted: inv promote ENV --sha {release.sha}"
        )


def _require_the_same(app: App, release: Release, path: Path) -> None:
    """Refuse a file whose images are not those that ledger or registry have of its release."""
    recorded = app.ledger.read().release(release.sha)
    tags = {service: release.tag_of(service) for service in release.services}
    tagged = run_by_key(app.registry.digest, tags)
    for known in (recorded.digests() if recorded else {}, tagged):
        for service, digest in release.digests().items():
            if known.get(service) not in (None, digest):
                raise IntegrityError(
                    f"{tags[service]} is {known[service]} here, and {digest} in {path}",
                    hint="nothing was loaded; find out which of them was built from that commit",
                )


def _families(app: App, release: Release) -> Families:
    """Return the manifests of each service's image."""
    refs = {service: image.ref for service, image in release.services.items()}
    families = run_by_key(app.registry.family, refs)
    missing = [service for service, family in families.items() if not family]
    if missing:
        raise IntegrityError(
            f"release {release.sha} is no longer available; missing in the registry: "
            f"{', '.join(missing)}",
            hint="choose another release: inv history ENV lists them",
        )
    return families


def _blobs(families: Families) -> dict[tuple[Repository, Digest], int]:
    """Return the size of each blob, by the repository that it is in."""
    return {
        (manifest.ref.repository, digest): size
        for family in families.values()
        for manifest in family
        if manifest.is_plain
        for digest, size in manifest.blobs.items()
    }


def _records(snapshot: Snapshot, release: Release) -> dict[str, ImageRecord]:
    wanted = {name: image.identity for name, image in release.services.items()}
    snapshot.load(*(image_path(name, identity) for name, identity in wanted.items()))
    found = {name: snapshot.image(name, identity) for name, identity in wanted.items()}
    return {name: record for name, record in found.items() if record}


def _bundles(app: App, snapshot: Snapshot, release: Release) -> Iterator[tuple[str, str]]:
    """Give the deployment files of each environment that deploys, by their path in the ledger."""
    for name, settings in app.project.environments.items():
        engine = app.targets.bind(name, release.only(settings.services), snapshot)
        if engine is not None:
            yield bundle_path(name, release.sha, settings.engine), engine.bundle


def _download(app: App, wanted: dict[Digest, Repository], folder: Path) -> dict[Digest, Path]:
    def one(digest: Digest) -> Path:
        path = folder / digest.removeprefix("sha256:")
        with path.open("w+b") as file:
            if not app.registry.read_blob(wanted[digest], digest, file):
                raise IntegrityError(
                    f"{wanted[digest]}@{digest} is not in the registry",
                    hint="inv verify   (shows what else is missing)",
                )
        return path

    return dict(zip(wanted, run_all(one, wanted, AT_ONCE), strict=True))


def _folder(output: Path) -> Path:
    if not output.parent.is_dir():
        raise UsageError(f"{output} cannot be written: there is no folder {output.parent}")
    return output.parent
