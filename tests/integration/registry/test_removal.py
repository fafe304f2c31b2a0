"""Tags that are removed from a real registry which removes nothing but whole manifests."""

from __future__ import annotations

from buildonce import parallel
from buildonce.refs import Repository
from buildonce.registry import Registry
from tests.kit.monorepo import Monorepo
from tests.kit.releases import release


def test_tags_of_one_repository_can_go_at_the_same_time(project: Monorepo) -> None:
    """Forty tags of one image are removed side by side, and the image keeps its own."""
    sha = release(project)
    images = project.images("web")
    stored = images.require(sha)
    extra = [f"extra-{number}" for number in range(40)]
    for name in extra:
        images.put(name, stored)
    registry, repository = Registry(), Repository.parse(str(images))
    parallel.run_all(registry.remove_tag, [repository.tag(name) for name in extra])
    assert [images.get(name) for name in extra] == [None] * len(extra)
    assert images.get(sha) == stored
