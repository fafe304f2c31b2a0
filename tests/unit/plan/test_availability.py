"""Whether all of a release is in the registry: every part, of every platform."""

from __future__ import annotations

import json

import pytest

from buildonce.errors import IntegrityError
from buildonce.plan.availability import lost, require_available
from buildonce.refs import Digest, ImageRef, Repository
from buildonce.registry import Manifest
from tests.kit.samples import digest, release

PLAIN = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
RELEASE = release(1)
IMAGES = {name: image.ref for name, image in RELEASE.services.items()}
WEB = RELEASE.services["web"].digest
IMAGE = json.dumps(
    {
        "config": {"digest": digest("config"), "size": 1},
        "layers": [{"digest": digest(layer), "size": 1} for layer in ("first", "second")],
    }
).encode()


class Registry:
    """A registry in which these digests are missing; an image may be of several platforms."""

    def __init__(self, *missing: Digest, index: bool = False) -> None:
        self.missing, self.index = missing, index

    def manifest(self, ref: ImageRef) -> Manifest | None:
        if ref.reference in self.missing:
            return None
        if self.index and ref in IMAGES.values():
            platform = {"os": "linux", "architecture": "amd64"}
            entry = {"mediaType": PLAIN, "digest": digest("amd64"), "platform": platform}
            return Manifest(ref, json.dumps({"manifests": [entry]}).encode(), INDEX)
        return Manifest(ref, IMAGE, PLAIN)

    def has_blob(self, _repository: Repository, wanted: Digest) -> bool:
        return wanted not in self.missing


@pytest.mark.parametrize("index", [False, True])
def test_what_is_there_is_not_missing(index: bool) -> None:
    """A release with all its parts, for one platform or several, is available."""
    assert lost(IMAGES, Registry(index=index)) == {}
    require_available(RELEASE.sha, IMAGES, Registry(index=index))


@pytest.mark.parametrize("index", [False, True])
def test_each_part_that_is_missing_is_named(index: bool) -> None:
    """Configuration, layers and whole manifests are told apart, for each service."""
    registry = Registry(digest("config"), digest("second"), WEB, index=index)
    assert lost(IMAGES, registry) == {
        "api": [f"configuration {digest('config')}", f"layer {digest('second')}"],
        "web": ["manifest"],
    }
    with pytest.raises(IntegrityError, match="is no longer available") as caught:
        require_available(RELEASE.sha, IMAGES, registry)
    assert f"\n  api: layer {digest('second')}" in caught.value.message
    assert "inv history" in caught.value.hint


def test_a_service_without_its_manifest_is_the_only_one_named() -> None:
    """What other services have is not in the message."""
    assert lost(IMAGES, Registry(WEB)) == {"web": ["manifest"]}
