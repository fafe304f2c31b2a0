"""Releases, promotions and ledgers for tests to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from buildonce.git.repository import Commit, Git
from buildonce.ledger.records.environment import EnvironmentRecord, Operation
from buildonce.ledger.records.record import Record
from buildonce.ledger.records.release import Image, Release
from buildonce.ledger.snapshot import Snapshot
from buildonce.refs import Digest, digest_of

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
LATER = datetime(2026, 11, 23, 13, tzinfo=timezone.utc)
REGISTRY = "registry.example.org"


def digest(of: str) -> Digest:
    return digest_of(of.encode())


def revision(number: int) -> str:
    return f"{number:x}".rjust(12, "a") + "0" * 28


def commit(number: int = 1) -> Commit:
    return Commit(revision(number), 1_700_000_000, "Subject", "Dana Developer")


def image(service: str, content: str) -> Image:
    return Image(image=f"{REGISTRY}/{service}", digest=digest(content))


def release(number: int = 1, *services: str, expects: tuple[str, ...] = ("api", "web")) -> Release:
    """A release, whole unless fewer services than expected are named."""
    named = services or expects
    return Release(
        revision=revision(number),
        sha=revision(number)[:12],
        expects=expects,
        services={name: image(name, f"{name} {number}") for name in named},
        built_at=NOON,
        built_by="Dana Developer <dana@example.org>",
        built_with="laptop",
    )


def operation(
    of: Release, record: EnvironmentRecord | None = None, *, name: str = "mine", **changed: object
) -> Operation:
    """A promotion to a release, the next one after what the record has."""
    begun = Operation(
        id=name,
        kind="promotion",
        sequence=(record.sequence if record else 0) + 1,
        release=of.sha,
        previous=record.release if record else None,
        actor="Dana Developer <dana@example.org>",
        host="laptop",
        started_at=NOON,
    )
    return begun.model_copy(update=changed)


def empty(environment: str = "staging") -> EnvironmentRecord:
    return EnvironmentRecord(environment=environment)


def running(of: Release, environment: str = "staging") -> EnvironmentRecord:
    """The record of an environment after one promotion."""
    record = empty(environment)
    return record.opened(operation(of, record, name=f"first in {environment}")).done(NOON)


def ledger(files: Mapping[str, Record]) -> Snapshot:
    """A ledger with these files and nothing else."""
    contents = {path: record.to_json().encode() for path, record in files.items()}
    return Snapshot(Git(Path("/nowhere")), None, dict(contents))
