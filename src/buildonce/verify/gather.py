"""Gathers evidence that environments run what was built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from buildonce.engines.base import Observer
from buildonce.errors import BuildonceError
from buildonce.ledger.records.deployment import DeploymentRecord
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.records.release import Release
from buildonce.ledger.snapshot import Snapshot, deployed_path, environment_path, release_path
from buildonce.parallel import run_all
from buildonce.targets import Targets
from buildonce.verify import deployed, former, pushed
from buildonce.verify.evidence import NOTHING, Evidence, unchecked
from buildonce.verify.pushed import Images, ReadOnce

ANSWER = "an answer"
ONLY_POINTERS = "the configuration names no engine: only pointers move"


def gather(
    snapshot: Snapshot,
    environments: Sequence[str],
    images: Images,
    targets: Targets,
) -> list[Evidence]:
    """Return the evidence for each environment against its own record.

    Where an environment pulls from a registry of its own, what was built is looked at as well.
    """
    images = ReadOnce(images)
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
                partial(pushed.rows, images, record, pulled, service, points)
                for service in release.services
            ]
            jobs += [
                partial(pushed.original, images, name, service, image)
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
                jobs.append(partial(pushed.leftovers, images, snapshot, record, pulled, targets))
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


def _ledger_row(record: EnvironmentRecord, release: Release | None) -> Evidence:
    remedy = ""
    if record.open is not None:
        found = f"{record.open.kind} to {record.open.release} in progress"
    elif record.release is None:
        found = NOTHING
    elif release is None:
        found = f"release {record.release}, of which there is no record"
        remedy = f"inv history {record.environment}; then promote another release"
    else:
        found = "a release"
    return Evidence(record.environment, "", "record", "ledger", "a release", found, remedy)


def _foreign_images(environment: str, release: Release, targets: Targets) -> list[Evidence]:
    """Return a row for each image that lies elsewhere than the configuration says."""
    rows = [
        Evidence(
            environment, service, "repository", "ledger",
            str(targets.project.place_of(service)), image.image, lasting=True,
        )
        for service, image in release.services.items()
    ]  # fmt: skip
    return [row for row in rows if not row.holds]


def _container_rows(
    observer: Observer, record: DeploymentRecord | None, *, ours: bool
) -> list[Evidence]:
    name = observer.deployment.target.name
    try:
        found = observer.running()
    except BuildonceError as error:
        return [Evidence(name, "", "containers", "engine", ANSWER, error.message)]
    return deployed.rows(observer, found, record) if ours else deployed.observed(observer, found)
