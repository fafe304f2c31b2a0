"""Releases, promotions and ledgers for tests to begin with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

from buildonce.build.inputs import Inputs
from buildonce.build.pins import Pins
from buildonce.config import Environment
from buildonce.engines.base import (
    Deployment,
    Files,
    Resolved,
    Running,
    StillOurs,
    Target,
    always_ours,
    unheard,
)
from buildonce.errors import BuildonceError
from buildonce.git.repository import Commit, Git
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.records.promotion import Promotion
from buildonce.ledger.records.record import Record
from buildonce.ledger.records.release import Image, ImageRecord, Release
from buildonce.ledger.snapshot import Event, Snapshot, environment_path, release_path
from buildonce.plan.observation import Observation
from buildonce.plan.pointers import Pointers
from buildonce.refs import Digest, digest_of

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
LATER = datetime(2026, 11, 23, 13, tzinfo=timezone.utc)
REGISTRY = "registry.example.org"
DANA = "Dana Developer <dana@example.org>"


def digest(of: str) -> Digest:
    return digest_of(of.encode())


def revision(number: int) -> str:
    return f"{number:x}".rjust(12, "a") + "0" * 28


def commit(number: int = 1) -> Commit:
    return Commit(revision(number), 1_700_000_000, "Subject", "Dana Developer")


def image(service: str, content: str) -> Image:
    return Image(image=f"{REGISTRY}/{service}", digest=digest(content))


def inputs(of: str = "inputs", **changed: object) -> Inputs:
    """A service's inputs, without an image from outside unless pins are given."""
    made = Inputs(
        context=".", dockerfile="web/Dockerfile", visible=("web",), needed=("web",),
        content=("web",), pins=Pins(None, {}), files=digest(f"files of {of}"), settings="settings",
        identity=digest(of)[7:],
    )  # fmt: skip
    return replace(made, **changed)  # type: ignore[arg-type]


def image_record(service: str, content: str, number: int = 1, **changed: object) -> ImageRecord:
    """The image of some inputs, built from a commit."""
    record = ImageRecord(
        image=f"{REGISTRY}/{service}", digest=digest(content), identity=inputs().identity,
        revision=revision(number), settings="settings", sources={},
    )  # fmt: skip
    return record.model_copy(update=changed)


def release(number: int = 1, *services: str, expects: tuple[str, ...] = ("api", "web")) -> Release:
    """A release, whole unless fewer services than expected are named."""
    named = services or expects
    return Release(
        revision=revision(number),
        sha=revision(number)[:12],
        expects=expects,
        services={name: image(name, f"{name} {number}") for name in named},
        built_at=NOON,
        built_by=DANA,
        built_with="laptop",
    )


def promotion(
    of: Release, record: EnvironmentRecord | None = None, *, name: str = "mine", **changed: object
) -> Promotion:
    """A promotion to a release, the next one after what the record has."""
    begun = Promotion(
        environment=record.environment if record else "staging",
        id=name,
        sequence=(record.sequence if record else 0) + 1,
        release=of.sha,
        previous=record.release if record else None,
        actor=DANA,
        host="laptop",
        started_at=NOON,
    )
    return begun.model_copy(update=changed)


def empty(environment: str = "staging") -> EnvironmentRecord:
    return EnvironmentRecord(environment=environment)


def running(of: Release, environment: str = "staging") -> EnvironmentRecord:
    """The record of an environment after one promotion."""
    record = empty(environment)
    return record.opened(promotion(of, record, name=f"first in {environment}")).done(NOON, DANA)


def ledger(files: Mapping[str, Record]) -> Snapshot:
    """A ledger with these files and nothing else."""
    contents = {path: record.to_json().encode() for path, record in files.items()}
    return Snapshot(Git(Path("/nowhere")), None, dict(contents))


def state(releases: Sequence[Release], *records: EnvironmentRecord) -> Snapshot:
    """A ledger of these releases and environments."""
    files: dict[str, Record] = {environment_path(one.environment): one for one in records}
    return ledger({**files, **{release_path(one.sha): one for one in releases}})


AnyRecord = TypeVar("AnyRecord", bound=Record)


def recorded(kind: type[AnyRecord], event: Event | None, path: str) -> AnyRecord:
    """A record that an event writes."""
    assert event is not None
    record = event.files[path]
    assert isinstance(record, kind)
    return record


@dataclass(frozen=True, eq=False)
class FakeEngine:
    """An engine that writes down what it is asked to do, and can be told to fail."""

    deployment: Deployment
    calls: list[str] = field(default_factory=list)
    failures: Mapping[str, BuildonceError] = field(default_factory=dict)
    containers: Sequence[Running] = ()
    pulls: bool = True

    @property
    def bundle(self) -> str:
        return f"bundle of {self.deployment.sha}"

    def render(self) -> str:
        return f"definition of {self.deployment.sha}"

    def resolved(self) -> Resolved:
        return Resolved()

    def commands(self) -> list[str]:
        return ["deploy FILE"]

    def check(self) -> None:
        self._do("check")

    def pull(self) -> None:
        self._do("pull")

    def run_once(
        self, service: str, command: Sequence[str], progress: Callable[[str], None] = unheard
    ) -> None:
        self._do("run_once")

    def deploy(self, progress: Callable[[str], None], still_ours: StillOurs = always_ours) -> None:
        self._do("deploy")

    def running(self) -> list[Running]:
        self._do("running")
        return list(self.containers)

    def _do(self, call: str) -> None:
        self.calls.append(f"{call} {self.deployment.sha}")
        if call in self.failures:
            raise self.failures[call]


def files() -> Files:
    """Deployment files that nobody reads."""
    return Files(("deploy/compose.yaml",), export=lambda folder: folder, locate=lambda _: "")


def engine(of: Release, **failures: BuildonceError) -> FakeEngine:
    """An engine bound to a release, whose named calls fail."""
    images = {name: image.ref for name, image in of.services.items()}
    target = Target("staging", "compose", project="shop")
    made = Deployment(target, of.sha, files(), images, bundle="services: {}")
    return FakeEngine(made, failures=failures)


def observation(
    of: Release,
    record: EnvironmentRecord | None = None,
    previous: Release | None = None,
    pointers: Pointers | None = None,
    **changed: object,
) -> Observation:
    """An environment that runs ``previous`` and is to run a release, with its pointers right."""
    record = record or (running(previous) if previous else empty())
    files: dict[str, Record] = {environment_path(record.environment): record}
    files |= {release_path(known.sha): known for known in (of, previous) if known}
    named = pointers if pointers is not None else (previous.digests() if previous else {})
    seen = Observation(
        settings=Environment(),
        snapshot=ledger(files),
        record=record,
        release=of,
        previous=previous,
        pointers=named,
    )
    return replace(seen, **changed)  # type: ignore[arg-type]
