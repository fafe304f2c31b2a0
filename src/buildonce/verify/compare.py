"""Compares environments with one another, by their own records."""

from __future__ import annotations

from collections.abc import Sequence

from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.snapshot import Snapshot
from buildonce.refs import Digest, short
from buildonce.verify.evidence import NOTHING, Evidence, unchecked

OTHERS = "third-party image"


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
                unchecked(record.environment, service, check, "ledger", f"not in {alone[0]}")
                if alone
                else Evidence(
                    record.environment, service, check, "ledger",
                    expected.get(service, NOTHING), found.get(service, NOTHING), lasting=True,
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
            "pin it by digest in the deployment file to have the same",
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
