"""What a build records: the bytes that were pushed, or nothing."""

from __future__ import annotations

from unittest import mock

import pytest

from buildonce.config import parse
from buildonce.errors import IntegrityError
from buildonce.execute.builds import Builds
from buildonce.execute.run import Run
from buildonce.execute.sources import Sources
from buildonce.plan.steps import Bake, Target
from buildonce.refs import Digest, ImageRef
from buildonce.registry import Manifest
from tests.kit.samples import NOON, REGISTRY, commit, digest, inputs, revision

PLAIN = "application/vnd.oci.image.manifest.v1+json"
TAG = ImageRef.parse(f"{REGISTRY}/api:{revision(1)[:12]}")


def bake(pushed: dict[str, Digest], held: Manifest | None, label: str = revision(1)) -> mock.Mock:
    """Bake where Buildx says this was pushed and the registry has that; return the registry."""
    images, builder = mock.Mock(), mock.Mock()
    images.manifest.return_value = held
    images.revision.return_value = label
    builder.bake.return_value = pushed
    project = parse({"registry": REGISTRY, "services": {"api": {}}})
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
