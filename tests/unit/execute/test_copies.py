"""Copies between registries: what is brought once, and what the registry itself does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from buildonce.errors import IntegrityError
from buildonce.execute.copies import Copies, waves
from buildonce.execute.run import Run
from buildonce.plan.steps import Copy, CopyImages
from buildonce.refs import Digest, ImageRef, Repository
from buildonce.registry import Manifest
from tests.kit.registry_wire import OCI_MANIFEST
from tests.kit.samples import digest

BASE, API, WORKER, LIBS = map(digest, ("base", "api", "worker", "libs"))


def copy_of(service: str, registry: str = "own.example.org") -> Copy:
    source = Repository("registry.example.org", service).at(digest(service))
    return Copy(service, source, Repository(registry, service).tag("abc"), digest(service), False)


@dataclass
class Registries:
    """What holds images of some layers; ``mounts`` tells whether it mounts, and what was asked.

    What is ``lost`` is not there afterwards; what is ``changed`` is there as something else.
    """

    layers: dict[str, list[Digest]]
    mounts: bool = True
    asked: list[tuple[str, Digest, str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    lost: bool = False
    changed: bool = False

    def manifest(self, ref: ImageRef) -> Manifest:
        layers = [f'{{"digest": "{one}", "size": 10}}' for one in self.layers[ref.repository.path]]
        config = f'{{"digest": "{digest("config of " + ref.repository.path)}", "size": 1}}'
        text = f'{{"config": {config}, "layers": [{", ".join(layers)}]}}'
        return Manifest(ref, text.encode(), OCI_MANIFEST)

    def mount_blob(self, repository: Repository, blob: Digest, source: Repository) -> bool:
        self.asked.append((repository.path, blob, source.path))
        return self.mounts

    def settled(self, _tag: ImageRef, expected: Digest | None) -> Digest | None:
        if self.lost:
            return None
        return digest("other bytes") if self.changed else expected

    def copy(self, _source: ImageRef, tag: ImageRef) -> None:
        self.said.append(tag.repository.path)

    def ensure(self, _repositories: object) -> None:
        """Every repository is there."""

    def log(self, _line: str) -> None:
        """Show no progress."""


def carry_out(registries: Registries, *copies: Copy) -> None:
    there: Any = registries
    step = CopyImages("production", copies)
    Copies(there, there, lambda: there, there).copy_images(step, Run())


def test_what_several_images_have_is_brought_by_one() -> None:
    """The first copy that has a shared blob goes ahead; the rest wait for it."""
    api, worker, web = copy_of("api"), copy_of("worker"), copy_of("web")
    sizes = {
        api: {BASE: 1, API: 1},
        worker: {BASE: 1, LIBS: 1},
        web: {BASE: 1, LIBS: 1},
    }
    assert waves(sizes) == ([api, worker], [web])


def test_images_that_share_nothing_do_not_wait() -> None:
    """Without a shared blob no copy goes ahead of another."""
    api, worker = copy_of("api"), copy_of("worker")
    assert waves({api: {API: 1}, worker: {WORKER: 1}}) == ([], [api, worker])


def test_what_is_in_the_registry_is_mounted() -> None:
    """A layer that another copy has brought is mounted from there, every image is copied."""
    registries = Registries({"api": [BASE, API], "worker": [BASE, WORKER]})
    carry_out(registries, copy_of("api"), copy_of("worker"))
    assert registries.asked == [("worker", BASE, "api")]
    assert registries.said == ["api", "worker"]


def test_a_registry_that_does_not_mount_is_asked_once_an_image() -> None:
    """After the first no, the copier brings all of the image."""
    registries = Registries({"api": [BASE, LIBS], "worker": [BASE, LIBS]}, mounts=False)
    carry_out(registries, copy_of("api"), copy_of("worker"))
    assert registries.asked == [("worker", BASE, "api")]
    assert registries.said == ["api", "worker"]


def test_nothing_is_mounted_across_registries() -> None:
    """Where images go to two registries, neither is asked for what the other has."""
    registries = Registries({"api": [BASE], "worker": [BASE]})
    carry_out(registries, copy_of("api"), copy_of("worker", "another.example.org"))
    assert registries.asked == []


@pytest.mark.parametrize(
    ("outcome", "named"),
    [({"lost": True}, "nothing"), ({"changed": True}, digest("other bytes"))],
)
def test_a_copy_is_read_back(outcome: dict[str, Any], named: str) -> None:
    """A tag that does not name the very bytes afterwards ends the promotion, with what it names."""
    with pytest.raises(IntegrityError) as caught:
        carry_out(Registries({"api": [BASE]}, **outcome), copy_of("api"))
    assert caught.value.message.endswith(f"own.example.org/api:abc names {named}")
