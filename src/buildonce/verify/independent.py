"""Every manifest a second time, read and hashed on another path than the registry client's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from buildonce.ledger.snapshot import Snapshot
from buildonce.parallel import run_all
from buildonce.refs import ImageRef, digest_of
from buildonce.targets import Targets
from buildonce.verify.evidence import NOTHING, Evidence

CHECK = "bytes by imagetools"

AT_ONCE = 4
"""Manifests read at the same time: each read is a process."""


class Reader(Protocol):
    """Another program that reads manifests."""

    def raw(self, ref: ImageRef) -> bytes | None:
        """Return a manifest's very bytes, or None where there is none."""
        ...


def reread(
    snapshot: Snapshot, environments: Sequence[str], targets: Targets, reader: Reader
) -> list[Evidence]:
    """Return a row for each image that an environment runs, as the other program reads it.

    Raises:
        UnavailableError: it cannot be run, or a registry does not answer it.
    """
    wanted = [
        (name, service, image)
        for name in environments
        if (release := snapshot.runs(snapshot.environment(name)))
        for service, image in targets.pulled(name, release).services.items()
    ]
    refs = list(dict.fromkeys(image.ref for _, _, image in wanted))
    found = dict(zip(refs, run_all(reader.raw, refs, AT_ONCE), strict=True))
    return [
        Evidence(
            name, service, CHECK, str(image.ref), image.digest, _hash(found[image.ref]),
            lasting=True,
        )
        for name, service, image in wanted
    ]  # fmt: skip


def _hash(content: bytes | None) -> str:
    return NOTHING if content is None else digest_of(content)
