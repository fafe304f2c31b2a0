"""A release in a file: what is read of it is what its names say, or an error."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from buildonce.archive.reading import ArchiveFile
from buildonce.archive.record import Archive
from buildonce.archive.writing import blob_name, write
from buildonce.errors import IntegrityError, UsageError
from buildonce.refs import Digest, Repository
from buildonce.registry import Manifest
from tests.kit.samples import digest, release

WEB = Repository("r.example", "web")
MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
RECORD = Archive(release=release(), images={}, bundles={"a": "b"})


@pytest.fixture
def archive(tmp_path: Path) -> ArchiveFile:
    """A release of one manifest and one layer."""
    layer = tmp_path / "layer"
    layer.write_bytes(b"layer")
    manifest = Manifest(WEB.at(digest("{}")), b"{}", MEDIA_TYPE)
    write(tmp_path / "release.tar", RECORD, {"web": [manifest]}, {digest("layer"): layer})
    return ArchiveFile(tmp_path / "release.tar")


def made(folder: Path, files: Mapping[str, bytes]) -> ArchiveFile:
    """A file with these names, by anybody."""
    with tarfile.open(folder / "made.tar", "w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return ArchiveFile(folder / "made.tar")


def test_what_was_written_is_read(archive: ArchiveFile) -> None:
    """Records, manifests with their media types, and blobs with their size."""
    assert archive.record == RECORD
    assert archive.manifests == {digest("{}"): MEDIA_TYPE}
    (manifest,) = archive.family(WEB, digest("{}"))
    assert (manifest.content, manifest.media_type) == (b"{}", MEDIA_TYPE)
    assert archive.has(digest("layer"))
    assert not archive.has(digest("another"))
    with archive.blob(digest("layer")) as (file, size):
        assert (file.read(), size) == (b"layer", 5)


@pytest.mark.parametrize("index", [b"{", b"{}", b"[]", b'{"manifests": [{"digest": "x"}]}'])
def test_an_index_that_is_none_is_damaged(tmp_path: Path, index: bytes) -> None:
    """Whatever it is instead."""
    with pytest.raises(IntegrityError, match=r"index\.json is damaged") as failure:
        _ = made(tmp_path, {"index.json": index}).manifests
    assert failure.value.hint == "no release was recorded; copy the file again"


@pytest.mark.parametrize("content", [b"{ }", b""])
def test_a_manifest_with_other_bytes_is_damaged(tmp_path: Path, content: bytes) -> None:
    """Its name is the hash of its bytes."""
    wanted: Digest = digest("{}")
    index = json.dumps({"manifests": [{"digest": wanted, "mediaType": MEDIA_TYPE}]}).encode()
    broken = made(tmp_path, {"index.json": index, blob_name(wanted): content})
    with pytest.raises(IntegrityError, match=f"{blob_name(wanted)} is damaged"):
        broken.family(WEB, wanted)


def test_a_blob_with_other_bytes_is_damaged(tmp_path: Path) -> None:
    """It is hashed before anybody gets it."""
    broken = made(tmp_path, {blob_name(digest("layer")): b"Layer"})
    with pytest.raises(IntegrityError, match="is damaged"), broken.blob(digest("layer")):
        pytest.fail("it was given")


def test_another_tar_file_is_no_archive(tmp_path: Path) -> None:
    """What is missing is named."""
    with pytest.raises(UsageError, match=r"has no buildonce\.json: it is not a release"):
        _ = made(tmp_path, {"README": b"hello"}).record


def test_a_record_that_would_fill_the_memory_is_damaged(tmp_path: Path) -> None:
    """Records and manifests are read whole, so they have a largest size."""
    most = 16 * 1024 * 1024
    large = made(tmp_path, {"buildonce.json": b" " * (most + 1)})
    with pytest.raises(IntegrityError, match=r"buildonce\.json is damaged"):
        _ = large.record


@pytest.mark.parametrize("content", [b"hello", b"PK\3\4" * 200])
def test_what_is_no_tar_file_is_no_archive(tmp_path: Path, content: bytes) -> None:
    """A file of another kind, or one that was cut off."""
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UsageError, match="is not a release that inv bundle wrote, or was cut off"):
        _ = ArchiveFile(tmp_path / "file").record


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Neither can one be read nor another written where there is no folder."""
    with pytest.raises(UsageError, match=r"nothing\.tar cannot be read: No such file"):
        _ = ArchiveFile(tmp_path / "nothing.tar").record
    with pytest.raises(UsageError, match=r"x\.tar cannot be written: No such file"):
        write(tmp_path / "nothing" / "x.tar", RECORD, {}, {})
