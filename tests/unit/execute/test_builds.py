"""What a build records: the bytes that were pushed, or nothing."""

from __future__ import annotations

import json
import re
from typing import Any
from unittest import mock

import pytest

from buildonce.config import parse
from buildonce.errors import IntegrityError, UnavailableError
from buildonce.execute.builds import Builds
from buildonce.execute.run import Run
from buildonce.execute.sources import Sources
from buildonce.plan.steps import Bake, Carried, CarryOver, Target
from buildonce.refs import Digest, ImageRef
from buildonce.registry import Manifest
from tests.kit.samples import NOON, REGISTRY, commit, digest, image_record, inputs, revision

PLAIN = "application/vnd.oci.image.manifest.v1+json"
TAG = ImageRef.parse(f"{REGISTRY}/api:{revision(1)[:12]}")


def bake(
    pushed: dict[str, Digest], held: Manifest | None, label: str = revision(1), **settings: Any
) -> mock.Mock:
    """Bake where Buildx says this was pushed and the registry has that; return the registry."""
    images, builder = mock.Mock(), mock.Mock()
    images.manifest.return_value = held
    images.revision.return_value = label
    builder.bake.return_value = pushed
    project = parse({"registry": REGISTRY, "services": {"api": {}}, **settings})
    parts = (project, mock.Mock(), mock.Mock(), images, mock.Mock(), lambda: builder, mock.Mock())
    step = Bake(commit(), {"api": Target(TAG, inputs(), "new")})
    with mock.patch.object(Sources, "export"), mock.patch.object(Builds, "definition"):
        Builds(*parts, lambda: NOON, "laptop").bake(step, Run())
    return images


def manifest(media_type: str = PLAIN) -> Manifest:
    return Manifest(TAG, b"{}", media_type)


def test_what_was_pushed_is_read_by_its_digest() -> None:
    """The tag may name something else by now: it is not asked."""
    images = bake({"api": manifest().digest}, manifest())
    images.manifest.assert_called_with(TAG.repository.at(manifest().digest))


@pytest.mark.parametrize(
    ("pushed", "held", "label", "told"),
    [
        ({}, manifest(), revision(1), "does not tell the digest"),
        ({"api": digest("lost")}, None, revision(1), "has nothing there"),
        ({"api": digest("index")}, manifest("an/index"), revision(1), "has an/index there"),
        ({"api": manifest().digest}, manifest(), revision(2), "is built from"),
    ],
    ids=["no digest", "lost", "index", "another commit"],
)
def test_what_cannot_be_trusted_is_not_recorded(
    pushed: dict[str, Digest], held: Manifest | None, label: str, told: str
) -> None:
    """No digest, no such manifest, no plain manifest, another commit's label: each is told."""
    with pytest.raises(IntegrityError, match=told):
        bake(pushed, held, label)


PLATFORMS = ["linux/amd64", "linux/arm64"]


def index(*platforms: str) -> Manifest:
    """What names an image for each of these platforms."""
    manifests = []
    for platform in platforms:
        system, _, architecture = platform.partition("/")
        parts = {"os": system, "architecture": architecture}
        manifests.append({"mediaType": PLAIN, "digest": digest(platform), "platform": parts})
    media_type = "application/vnd.oci.image.index.v1+json"
    return Manifest(TAG, json.dumps({"manifests": manifests}).encode(), media_type)


def test_an_image_of_several_platforms_has_these_and_no_others() -> None:
    """An index that lacks one, or a plain manifest, is not what was asked for."""
    whole = index(*PLATFORMS)
    bake({"api": whole.digest}, whole, platform=PLATFORMS)
    for held in (index(PLATFORMS[0]), index(*PLATFORMS, "linux/riscv64"), manifest()):
        with pytest.raises(IntegrityError, match=re.escape(f"has {held.media_type} there")):
            bake({"api": held.digest}, held, platform=PLATFORMS)


@pytest.mark.parametrize("lost", [True, False])
def test_a_tag_that_is_refused_is_explained_by_what_is_lost(lost: bool) -> None:
    """Parts that the registry has lost are named; where it has all, its own refusal counts."""
    images = mock.Mock()
    images.tag.side_effect = UnavailableError("the registry answered 400")
    images.manifest.return_value = None if lost else index()
    project = parse({"registry": REGISTRY, "services": {"api": {}}})
    nobody: Any = None
    builds = Builds(project, nobody, nobody, images, nobody, nobody, nobody, nobody, "laptop")
    step = CarryOver({"api": Carried(TAG, image_record("api", "api 1"), manifest())})
    with pytest.raises(IntegrityError if lost else UnavailableError) as caught:
        builds.carry_over(step, Run())
    assert ("has lost parts" in caught.value.message) is lost
