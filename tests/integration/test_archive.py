"""`inv bundle`: a release in one file, from one registry and ledger into others."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from buildonce.commands.bundle import load, save
from buildonce.commands.promote import promote
from buildonce.commands.verify import verify
from buildonce.errors import IntegrityError, PreconditionError, UsageError
from tests.kit.in_process import app
from tests.kit.monorepo import Make, Monorepo
from tests.kit.registry_wire import another
from tests.kit.releases import release


@pytest.fixture
def archive(project: Monorepo, tmp_path: Path) -> Path:
    """A release in a file."""
    release(project)
    save(app(project), "HEAD", tmp_path / "release.tar")
    return tmp_path / "release.tar"


@pytest.fixture
def beyond(make: Make) -> Monorepo:
    """The other side: another repository, another place in the registry, no release."""
    return make()


def test_a_release_comes_out_as_it_went_in(
    project: Monorepo, archive: Path, beyond: Monorepo
) -> None:
    """On the other side the same digests are recorded, promoted and proven."""
    sha = project.sha()
    load(app(beyond), archive)
    assert beyond.digests(sha) == project.digests(sha)
    promote(app(beyond), "staging", sha)
    verify(app(beyond), ["staging"], each=True, as_json=False)
    theirs, ours = beyond.record(f"releases/{sha}.json"), project.record(f"releases/{sha}.json")
    for image in (*theirs["services"].values(), *ours["services"].values()):
        del image["image"]
    assert theirs == ours


def test_loading_twice_changes_nothing(archive: Path, beyond: Monorepo) -> None:
    """What was loaded is recognised: no upload, no event."""
    load(app(beyond), archive)
    before = beyond.state()
    load(app(beyond), archive)
    assert beyond.state() == before


def test_a_dry_run_uploads_nothing(archive: Path, beyond: Monorepo) -> None:
    """The plan is shown, and neither registry nor ledger has anything afterwards."""
    before = beyond.state()
    load(app(beyond, dry_run=True), archive)
    assert beyond.state() == before


def test_the_same_release_gives_the_same_bytes(project: Monorepo, archive: Path) -> None:
    """Written again, an archive is identical, byte for byte."""
    before = archive.read_bytes()
    save(app(project), "HEAD", archive)
    assert archive.read_bytes() == before


def test_it_is_an_image_layout(project: Monorepo, archive: Path) -> None:
    """Every manifest and blob lies where the OCI specification has it."""
    with tarfile.open(archive) as tar:
        names = set(tar.getnames())
    for service in project.services:
        stored = project.images(service).require(project.sha())
        for digest in (stored.digest, stored.document["config"]["digest"], *stored.layers):
            assert f"blobs/{digest.replace(':', '/')}" in names
    assert {"oci-layout", "index.json"} <= names


def test_only_what_is_new_is_written(
    project: Monorepo, archive: Path, tmp_path: Path, beyond: Monorepo
) -> None:
    """With --since, layers of the earlier release are left out; without that one it cannot load."""
    earlier = project.sha()
    later = release(project, web="changed")
    update = tmp_path / "update.tar"
    save(app(project), later, update, since=earlier)
    kept = project.images("jobs").require(later).layers[0]
    with tarfile.open(update) as tar:
        assert f"blobs/{kept.replace(':', '/')}" not in tar.getnames()
    with pytest.raises(PreconditionError, match=f"only what is new since {earlier}"):
        load(app(beyond), update)
    load(app(beyond), archive)
    load(app(beyond), update)
    assert beyond.digests(later) == project.digests(later)


def test_a_flipped_bit_is_found(project: Monorepo, archive: Path, beyond: Monorepo) -> None:
    """A damaged layer is not loaded, and no release is recorded."""
    layer = project.images("web").require(project.sha()).layers[0]
    with tarfile.open(archive) as tar:
        offset = tar.getmember(f"blobs/{layer.replace(':', '/')}").offset_data
    content = bytearray(archive.read_bytes())
    content[offset] ^= 1
    archive.write_bytes(content)
    with pytest.raises(IntegrityError, match="is damaged"):
        load(app(beyond), archive)
    assert app(beyond).ledger.read().release(project.sha()) is None


@pytest.mark.parametrize("size", [0, 100, 20_000])
def test_what_was_cut_off_is_no_archive(archive: Path, beyond: Monorepo, size: int) -> None:
    """A file that ends early is told from a whole one, whereever it ends."""
    archive.write_bytes(archive.read_bytes()[:-20_000][:size])
    with pytest.raises((UsageError, IntegrityError)):
        load(app(beyond), archive)


def test_a_service_that_is_not_configured_is_named(archive: Path, beyond: Monorepo) -> None:
    """The other side has to know the services that a release brings."""
    with pytest.raises(UsageError, match="there is no service 'jobs'"):
        load(app(beyond, services={"web": {}}), archive)


def test_a_missing_folder_is_said_before_anything_is_read(project: Monorepo) -> None:
    """Where the file cannot be written, nothing is downloaded first."""
    release(project)
    with pytest.raises(UsageError, match="there is no folder /nowhere"):
        save(app(project), "HEAD", Path("/nowhere/release.tar"))


@pytest.mark.parametrize("recorded", [True, False])
def test_other_images_of_that_release_are_not_overwritten(
    project: Monorepo, archive: Path, recorded: bool
) -> None:
    """A file of other bytes than ledger or registry have is refused, in a dry run as well."""
    images, sha = project.images("web"), project.sha()
    if recorded:
        path = f"releases/{sha}.json"
        record = project.record(path)
        record["services"]["web"]["digest"] = "sha256:" + "0" * 64
        project.rewrite(path, json.dumps(record))
    else:
        images.put(sha, another(images.require(sha), "tampering"))
    before = project.state()
    for dry_run in (True, False):
        with pytest.raises(IntegrityError, match=f"web:{sha} is sha256:.* here, and sha256:"):
            load(app(project, dry_run=dry_run), archive)
    assert project.state() == before
