"""Read an archive: what is in it is believed as far as it hashes to its name."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, cast

from buildonce.archive.record import NAME, Archive
from buildonce.archive.writing import blob_name
from buildonce.errors import IntegrityError, UsageError
from buildonce.ledger.records.record import parse_record
from buildonce.refs import Digest, Repository, digest_of, digest_of_file, parse_digest
from buildonce.registry import Manifest

_LARGEST = 16 * 1024 * 1024
"""Bytes of a manifest or record, which are read into memory."""


@dataclass(frozen=True)
class ArchiveFile:
    """An archive on disk. Nothing of it is ever unpacked."""

    path: Path

    @cached_property
    def record(self) -> Archive:
        """The records.

        Raises:
            UsageError: the file cannot be read, or is no archive.
            IntegrityError: its records are none.
        """
        return parse_record(Archive, self._read(NAME), f"{NAME} in {self.path}")

    @cached_property
    def manifests(self) -> dict[str, str]:
        """The media type of each service's manifest."""
        try:
            listed = json.loads(self._read("index.json"))["manifests"]
            return {entry["digest"]: entry["mediaType"] for entry in listed}
        except (ValueError, LookupError, TypeError):
            raise self._damaged("index.json") from None

    def family(self, repository: Repository, digest: Digest) -> list[Manifest]:
        """Return a manifest and, of an index, those that it names.

        Raises:
            IntegrityError: one of them is missing, or its bytes are others.
        """
        top = self._manifest(repository, digest, self.manifests.get(digest, ""))
        return [top, *(self._manifest(repository, one, kind) for one, kind in top.named.items())]

    def has(self, digest: Digest) -> bool:
        """Tell whether a blob is in it."""
        return blob_name(digest) in self._sizes

    @contextmanager
    def blob(self, digest: Digest) -> Iterator[tuple[BinaryIO, int]]:
        """Give a blob's bytes as a file, and their number.

        Raises:
            IntegrityError: its bytes are others.
        """
        with self._opened() as tar:
            entry = tar.getmember(blob_name(digest))
            file = cast("BinaryIO", tar.extractfile(entry))
            if digest_of_file(file) != digest:
                raise self._damaged(blob_name(digest))
            file.seek(0)
            yield file, entry.size

    @cached_property
    def _sizes(self) -> dict[str, int]:
        with self._opened() as tar:
            return {entry.name: entry.size for entry in tar if entry.isfile()}

    def _manifest(self, repository: Repository, digest: Digest, media_type: str) -> Manifest:
        content = self._read(blob_name(parse_digest(digest)))
        if digest_of(content) != digest:
            raise self._damaged(blob_name(digest))
        return Manifest(repository.at(digest), content, media_type)

    def _read(self, name: str) -> bytes:
        if name not in self._sizes:
            raise UsageError(
                f"{self.path} has no {name}: it is not a release that inv bundle wrote",
                hint="inv bundle SHA --output FILE writes one",
            )
        if self._sizes[name] > _LARGEST:
            raise self._damaged(name)
        with self._opened() as tar:
            file = tar.extractfile(name)
            assert file is not None
            return file.read()

    def _damaged(self, name: str) -> IntegrityError:
        return IntegrityError(
            f"{self.path}: {name} is damaged",
            hint="no release was recorded; copy the file again",
        )

    @contextmanager
    def _opened(self) -> Iterator[tarfile.TarFile]:
        try:
            with tarfile.open(self.path, "r:") as tar:
                yield tar
        except (tarfile.TarError, EOFError):
            raise UsageError(
                f"{self.path} is not a release that inv bundle wrote, or was cut off",
                hint="inv bundle SHA --output FILE writes one",
            ) from None
        except OSError as error:
            raise UsageError(f"{self.path} cannot be read: {error.strerror}") from None
