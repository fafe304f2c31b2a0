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


@pytest.mark.parametrize(("engine", "bundle"), [("compose", "recorded"), ("swarm", None)])
def test_the_bundle_is_that_of_the_environments_engine(engine: str, bundle: str | None) -> None:
    """After a move from Compose to Swarm a release comes from its commit, not from the bundle."""
    settings = {"engine": engine, "file": "stack.yaml", "project": "shop"}
    project = Project.model_validate(
        {
            "registry": "registry.example.org",
            "services": {"web": {}},
            "environments": {"production": settings},
        }
    )
    recorded = {bundle_path("production", RELEASE.sha, "compose"): b"recorded"}
    targets = Targets(project, GIT, cast("Any", lambda deployment: deployment), cast("Any", None))
    deployment: Any = targets.bind("production", RELEASE, Snapshot(GIT, None, {**recorded}))
    assert deployment.bundle == bundle
