"""A monorepo as it was, to be brought back after a test has spoilt it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tests.kit.monorepo import LEDGER, Monorepo
from tests.kit.registry_wire import Images, Stored


@dataclass(frozen=True)
class Kept:
    """What a repository of the registry held: its tags, and the images' configurations."""

    tags: Mapping[str, Stored]
    configs: tuple[bytes, ...]

    @classmethod
    def of(cls, images: Images) -> Kept:
        tags = {tag: images.require(tag) for tag in images.tags()}
        configs = [stored.document["config"]["digest"] for stored in tags.values()]
        return cls(tags, tuple(images.blob(digest) for digest in configs))

    def restore(self, images: Images) -> None:
        for content in self.configs:
            images.put_blob(content)
        present = images.tags()
        for tag in set(present) - set(self.tags):
            images.untag(tag)
        for tag, stored in self.tags.items():
            if present.get(tag) != stored.digest:
                images.put(tag, stored)


@dataclass(frozen=True)
class Checkpoint:
    """The clone's commit, the remote's refs and the registry's images, as they were."""

    repo: Monorepo
    commit: str
    refs: Mapping[str, str]
    images: Mapping[str, Kept]

    @classmethod
    def of(cls, repo: Monorepo) -> Checkpoint:
        images = {service: Kept.of(repo.images(service)) for service in repo.services}
        return cls(repo, repo.git("rev-parse", "HEAD"), repo.state().refs, images)

    def restore(self) -> None:
        """Bring them back, and let the clone forget what it has seen of the ledger since."""
        for service, kept in self.images.items():
            kept.restore(self.repo.images(service))
        for ref in set(self.repo.state().refs) - set(self.refs):
            self.repo.git("update-ref", "-d", ref, cwd=self.repo.origin)
        for ref, commit in self.refs.items():
            self.repo.git("update-ref", ref, commit, cwd=self.repo.origin)
        for hook in (self.repo.origin / "hooks").iterdir():
            hook.unlink()
        self.repo.git("update-ref", "-d", f"refs/buildonce/{LEDGER}")
        self.repo.git("reset", "--quiet", "--hard", self.commit)


@contextmanager
def put_back(kept: Checkpoint) -> Iterator[Monorepo]:
    """Let a test have a monorepo that others will have as well; put it back as it was."""
    repo = kept.repo
    head = repo.git("rev-parse", "HEAD")
    repo.git("fetch", "--quiet", "origin", f"{LEDGER}:refs/buildonce/{LEDGER}")
    try:
        yield repo
    finally:
        repo.git("reset", "--quiet", "--hard", head)
        kept.restore()
