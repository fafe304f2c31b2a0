"""Blobs that a real registry puts into a second repository by itself."""

from __future__ import annotations

import lab
from buildonce.refs import Repository, parse_digest
from buildonce.registry import Registry
from tests.kit.monorepo import Monorepo
from tests.kit.releases import release


def other(project: Monorepo) -> Repository:
    """A repository that nothing is in."""
    return Repository(project.registry, f"{project.namespace}/other")


def test_a_blob_is_mounted_from_another_repository(project: Monorepo) -> None:
    """Afterwards the second repository has the blob, and nothing was uploaded."""
    source = Repository.parse(str(project.images("web")))
    blob = parse_digest(project.images("web").require(release(project)).layers[0])
    registry = Registry()
    assert not registry.has_blob(other(project), blob)
    assert registry.mount_blob(other(project), blob, source)
    assert registry.has_blob(other(project), blob)


def test_a_blob_that_is_nowhere_is_not_mounted(project: Monorepo, running: lab.Lab) -> None:
    """The registry offers an upload instead, which is cancelled: no session stays open."""
    release(project)
    source = Repository.parse(str(project.images("web")))
    missing = parse_digest(f"sha256:{'0' * 64}")
    assert not Registry().mount_blob(other(project), missing, source)
    place = running.state / "registry/docker/registry/v2/repositories" / other(project).path
    assert list(place.glob("_uploads/*/startedat")) == []
