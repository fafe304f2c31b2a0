"""Write a release into one file: the same release always gives the same bytes."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildonce.archive.record import NAME, Archive
from buildonce.errors import UsageError
from buildonce.refs import Digest
from buildonce.registry import Manifest

_LAYOUT = {"imageLayoutVersion": "1.0.0"}
_INDEX = "application/vnd.oci.image.index.v1+json"
_REF_NAME = "org.opencontainers.image.ref.name"


def blob_name(digest: Digest) -> str:
    """Return where a blob is (OCI image specification 1.1, "Image Layout")."""
    return f"blobs/{digest.replace(':', '/')}"


def write(
    path: Path,
    archive: Archive,
    families: Mapping[str, Sequence[Manifest]],
    blobs: Mapping[Digest, Path],
) -> None:
    """Write an archive, whole or not at all.

    Args:
        path: the file; one that is there is replaced.
        archive: the records.
        families: each service's manifest and, of an index, those that it names.
        blobs: the files of configurations and layers.

    Raises:
        UsageError: the file cannot be written.
    """
    contents = {
        blob_name(manifest.digest): manifest.content
        for family in families.values()
        for manifest in family
    }
    contents |= {
        "oci-layout": _json(_LAYOUT),
        "index.json": _json(_index(families)),
        NAME: archive.to_json().encode(),
    }
    files = {blob_name(digest): file for digest, file in blobs.items()}
    fresh = path.with_name(f".{path.name}.new")
    try:
        with tarfile.open(fresh, "w", format=tarfile.USTAR_FORMAT) as tar:
            for name in sorted({*contents, *files}):
                if name in contents:
                    _add(tar, name, io.BytesIO(contents[name]), len(contents[name]))
                else:
                    with files[name].open("rb") as file:
                        _add(tar, name, file, files[name].stat().st_size)
        fresh.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        fresh.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, name: str, file: io.BufferedIOBase, size: int) -> None:
    """Add a file that has no time, no owner and nobody's rights."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    tar.addfile(entry, file)


def _index(families: Mapping[str, Sequence[Manifest]]) -> dict[str, object]:
    return {
        "schemaVersion": 2,
        "mediaType": _INDEX,
        "manifests": [
            {
                "mediaType": family[0].media_type,
                "digest": family[0].digest,
                "size": len(family[0].content),
                "annotations": {_REF_NAME: service},
            }
            for service, family in sorted(families.items())
        ],
    }


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"
