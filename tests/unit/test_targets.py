"""Environments and releases, bound to engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from buildonce.config import Project
from buildonce.git.repository import Git
from buildonce.ledger.snapshot import Snapshot, bundle_path
from buildonce.targets import Targets
from tests.kit.samples import release

RELEASE = release(1)
GIT = Git(Path("/nowhere"))


def targets(settings: dict[str, Any]) -> Targets:
    """The engines of a project with one environment, as the deployments that they are bound to."""
    project = Project.model_validate(
        {
            "registry": "registry.example.org",
            "services": {"web": {}},
            "environments": {"production": settings},
        }
    )
    bind, watch = (lambda deployment: deployment), (lambda deployment: [deployment])
    return Targets(project, GIT, cast("Any", bind), cast("Any", None), cast("Any", watch))


@pytest.mark.parametrize(("engine", "bundle"), [("compose", "recorded"), ("swarm", None)])
def test_the_bundle_is_that_of_the_environments_engine(engine: str, bundle: str | None) -> None:
    """After a move from Compose to Swarm a release comes from its commit, not from the bundle."""
    settings = {"engine": engine, "file": "stack.yaml", "project": "shop"}
    recorded = {bundle_path("production", RELEASE.sha, "compose"): b"recorded"}
    snapshot = Snapshot(GIT, None, {**recorded})
    deployment: Any = targets(settings).bind("production", RELEASE, snapshot)
    assert deployment.bundle == bundle


COMPOSE = {"engine": "compose", "file": "compose.yaml", "project": "shop"}


def bound(settings: dict[str, Any]) -> Any:
    """The deployment of the release in an environment with these settings."""
    return targets(settings).bind("production", RELEASE, Snapshot(GIT, None, {}))


def test_an_environment_pulls_from_where_the_release_was_built() -> None:
    """Without a registry of its own, an environment pulls the very references of the release."""
    deployment = bound(COMPOSE)
    assert deployment.images == {name: one.ref for name, one in RELEASE.services.items()}
    assert deployment.names == {}


def test_an_environment_pulls_from_its_own_registry() -> None:
    """With one, the same digests lie there, and manifests may still name the first registry."""
    deployment = bound({**COMPOSE, "registry": "production.example.org"})
    assert {name: str(ref.repository) for name, ref in deployment.images.items()} == {
        name: f"production.example.org/{name}" for name in RELEASE.services
    }
    assert {name: ref.reference for name, ref in deployment.images.items()} == {
        name: one.digest for name, one in RELEASE.services.items()
    }
    assert deployment.names == {name: f"registry.example.org/{name}" for name in RELEASE.services}


def test_where_another_tool_deploys_there_is_no_engine() -> None:
    """Nothing is bound to deploy; what sees the containers is."""
    settings = {"engine": "kubernetes", "context": "lab", "namespace": "shop"}
    made, snapshot = targets(settings), Snapshot(GIT, None, {})
    assert made.bind("production", RELEASE, snapshot) is None
    (seen,) = cast("Any", made.observe("production", RELEASE, snapshot))
    assert (seen.target.host, seen.target.namespace) == ("lab", "shop")


@pytest.mark.parametrize("settings", [{}, COMPOSE])
def test_otherwise_the_engine_itself_looks(settings: dict[str, Any]) -> None:
    """Where there is one; without an engine, nothing does."""
    made, snapshot = targets(settings), Snapshot(GIT, None, {})
    bound = made.bind("production", RELEASE, snapshot)
    assert type(made.observe("production", RELEASE, snapshot)) is type(bound)


def test_a_name_that_was_given_stays() -> None:
    """What the configuration says that manifests call an image wins over where it is built."""
    settings = {**COMPOSE, "engine": "kubernetes", "context": "lab", "namespace": "shop"}
    own = {"registry": "production.example.org", "images": {"web": "example/web"}}
    assert bound({**settings, **own}).names["web"] == "example/web"
