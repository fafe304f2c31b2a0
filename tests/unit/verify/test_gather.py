"""Evidence: one row for each thing that has to hold, and the row that does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from buildonce.config import parse
from buildonce.engines.base import Deployment, Remains, Running, Target
from buildonce.errors import BuildonceError, IntegrityError, UnavailableError
from buildonce.git.repository import Git
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.records.release import Image, Release
from buildonce.refs import Digest, ImageRef, digest_of
from buildonce.registry import Manifest
from buildonce.targets import Targets
from buildonce.verify.evidence import Evidence
from buildonce.verify.gather import gather
from tests.kit.samples import (
    REGISTRY,
    FakeEngine,
    empty,
    engine,
    promotion,
    release,
    running,
    state,
)

OCI = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass
class FakeRegistry:
    """Manifests by reference, and the commit that each one's label names."""

    stored: dict[str, bytes] = field(default_factory=dict)
    media_type: str = OCI
    label: str | None = None
    broken_config: bool = False
    silent: str = ""

    def manifest(self, ref: ImageRef) -> Manifest | None:
        if str(ref.repository) == self.silent:
            raise UnavailableError(f"{ref.repository.registry} does not answer")
        content = self.stored.get(str(ref))
        return Manifest(ref, content, self.media_type) if content is not None else None

    def revision(self, _manifest: Manifest) -> str | None:
        if self.broken_config:
            raise IntegrityError("its configuration is missing")
        return self.label

    def push(self, content: bytes, image: Image, *tags: str) -> None:
        for ref in (image.ref, *map(image.tag, tags)):
            self.stored[str(ref)] = content


def nothing_left(_target: Target) -> Remains:
    """A former place that is empty."""
    return Remains((), "")


def targets(
    *containers: Running,
    registry: str = REGISTRY,
    staging: Mapping[str, object] | None = None,
    **failures: BuildonceError,
) -> Targets:
    """Two environments whose pointers only move; or staging's engine, with these containers."""
    compose = {"engine": "compose", "file": "compose.yaml", "project": "shop"}
    table = staging or (compose if containers or failures else {})
    project = parse(
        {
            "registry": registry,
            "services": {"web": {}},
            "environments": {"staging": table, "production": {}},
        }
    )

    def bind(_deployment: Deployment) -> FakeEngine:
        return replace(engine(RELEASE, **failures), containers=containers)

    return Targets(project, Git(Path()), bind, nothing_left, bind)


def content(number: int) -> bytes:
    return json.dumps({"schemaVersion": 2, "number": number}).encode()


def released(number: int) -> Release:
    """A release of one service whose digest is its manifest's true one."""
    image = Image(image=f"{REGISTRY}/web", digest=digest_of(content(number)))
    return release(number, expects=("web",)).model_copy(update={"services": {"web": image}})


RELEASE = released(1)


@pytest.fixture
def registry() -> FakeRegistry:
    """A registry in which everything is as it should be."""
    good = FakeRegistry(label=RELEASE.revision)
    good.push(content(1), RELEASE.services["web"], RELEASE.sha, "staging", "production")
    return good


BOTH = state([RELEASE], running(RELEASE, "staging"), running(RELEASE, "production"))


def failing(rows: list[Evidence]) -> list[tuple[str, str, str]]:
    return [(row.environment, row.service, row.check) for row in rows if not row.holds]


def test_where_all_is_well_every_row_holds(registry: FakeRegistry) -> None:
    """Record, bytes, both tags, media type and label hold; that no container is seen is said."""
    rows = gather(BOTH, ["staging"], registry, targets())
    assert failing(rows) == []
    assert [row.check for row in rows] == [
        *("record", "containers", "bytes", "commit tag", "pointer", "media type", "revision label")
    ]
    assert [row.check for row in rows if not row.checked] == ["containers"]


def lose_the_manifest(registry: FakeRegistry) -> None:
    del registry.stored[str(RELEASE.services["web"].ref)]


def move_the_commit_tag(registry: FakeRegistry) -> None:
    registry.stored[str(RELEASE.services["web"].tag(RELEASE.sha))] = b"other"


def move_the_pointer(registry: FakeRegistry) -> None:
    registry.stored[str(RELEASE.services["web"].tag("staging"))] = b"other"


def change_the_type(registry: FakeRegistry) -> None:
    registry.media_type = INDEX


def change_the_label(registry: FakeRegistry) -> None:
    registry.label = "f" * 40


def lose_the_label(registry: FakeRegistry) -> None:
    registry.label = None


def lose_the_config(registry: FakeRegistry) -> None:
    registry.broken_config = True


@pytest.mark.parametrize(
    ("spoil", "checks"),
    [
        (lose_the_manifest, ["bytes", "media type", "revision label"]),
        (move_the_commit_tag, ["commit tag"]),
        (move_the_pointer, ["pointer"]),
        (change_the_type, ["media type", "revision label"]),
        (change_the_label, ["revision label"]),
        (lose_the_label, ["revision label"]),
        (lose_the_config, ["revision label"]),
    ],
)
def test_what_is_spoilt_has_a_row(
    registry: FakeRegistry, spoil: Callable[[FakeRegistry], None], checks: list[str]
) -> None:
    """Each kind of damage fails its own row, and no row that it does not touch."""
    spoil(registry)
    rows = gather(BOTH, ["staging"], registry, targets())
    assert failing(rows) == [("staging", "web", check) for check in checks]


def test_only_what_was_asked_for_is_looked_at(registry: FakeRegistry) -> None:
    """Evidence about staging says nothing about production."""
    registry.stored[str(RELEASE.services["web"].tag("production"))] = b"other"
    assert failing(gather(BOTH, ["staging"], registry, targets())) == []
    both = gather(BOTH, ["staging", "production"], registry, targets())
    assert failing(both) == [("production", "web", "pointer")]


@pytest.mark.parametrize(
    ("record", "found"),
    [
        (empty(), "nothing"),
        (running(released(9)), f"release {released(9).sha}, of which there is no record"),
        (
            running(RELEASE).opened(promotion(RELEASE, running(RELEASE))),
            f"promotion to {RELEASE.sha} in progress",
        ),
    ],
)
def test_a_record_that_proves_nothing_does_not_hold(
    registry: FakeRegistry, record: EnvironmentRecord, found: str
) -> None:
    """An environment that runs nothing, or is being changed, is not reported as fine."""
    rows = gather(state([RELEASE], record), ["staging"], registry, targets())
    assert failing(rows) == [("staging", "", "record")]
    assert rows[0].found == found


def test_containers_that_run_other_bytes_do_not_hold(registry: FakeRegistry) -> None:
    """A running container is compared with the release, and the row says who told its digest."""
    expected = RELEASE.services["web"].digest
    other = Digest(digest_of(b"other"))
    right = Running("h1", "web", "web-1", expected, "running", expected)
    wrong = Running("h2", "web", "web-2", other, "running", expected, source="task")
    *_, good, bad, unknown = gather(BOTH, ["staging"], registry, targets(right, wrong))
    assert [(row.check, row.holds) for row in (good, bad)] == [("container", True), ("task", False)]
    assert bad.where == "web-2 on h2"
    assert other in bad.found
    assert (unknown.check, unknown.checked) == ("definition", False)


def test_an_engine_that_does_not_answer_is_no_proof(registry: FakeRegistry) -> None:
    """Where containers cannot be read, that is a row that does not hold."""
    down = UnavailableError("the engine of staging does not answer")
    rows = gather(BOTH, ["staging"], registry, targets(running=down))
    assert failing(rows) == [("staging", "", "containers")]
    assert "does not answer" in rows[-1].found


def test_an_image_from_elsewhere_has_a_row(registry: FakeRegistry) -> None:
    """Right bytes in a repository that the configuration does not name do not hold."""
    elsewhere = targets(registry="elsewhere.example.org")
    rows = gather(BOTH, ["staging"], registry, elsewhere)
    assert failing(rows) == [("staging", "web", "repository")]


OWN: Mapping[str, object] = {"registry": "own.example.org"}


def test_a_copy_is_looked_at_beside_what_was_built(registry: FakeRegistry) -> None:
    """With a registry of its own, an environment has rows for the copy and one for the original."""
    copy = RELEASE.services["web"].model_copy(update={"image": "own.example.org/web"})
    registry.push(content(1), copy, RELEASE.sha, "staging")
    rows = gather(BOTH, ["staging"], registry, targets(staging=OWN))
    assert failing(rows) == []
    places = {row.check: row.where for row in rows}
    assert places["bytes"] == str(copy.ref)
    assert places["built image"] == str(RELEASE.services["web"].ref)


def test_a_copy_that_is_missing_does_not_hold(registry: FakeRegistry) -> None:
    """The original alone is no proof of what an environment pulls."""
    rows = gather(BOTH, ["staging"], registry, targets(staging=OWN))
    assert {check for _, _, check in failing(rows)} == {
        *("bytes", "commit tag", "pointer", "media type", "revision label")
    }


def test_a_registry_of_builds_that_does_not_answer_is_said(registry: FakeRegistry) -> None:
    """The copies are proven without the original, whose row says that it was not seen."""
    copy = RELEASE.services["web"].model_copy(update={"image": "own.example.org/web"})
    registry.push(content(1), copy, RELEASE.sha, "staging")
    registry.silent = str(RELEASE.services["web"].repository)
    rows = gather(BOTH, ["staging"], registry, targets(staging=OWN))
    assert failing(rows) == []
    assert [row.check for row in rows if not row.checked] == ["containers", "built image"]
