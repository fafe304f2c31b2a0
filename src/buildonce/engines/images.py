"""A release's images in its Compose or stack file."""

from __future__ import annotations

import re
from collections.abc import Iterable

from buildonce.config.fields import image_variable
from buildonce.engines.base import Deployment
from buildonce.engines.composefile import fill
from buildonce.engines.parts import Part
from buildonce.errors import UsageError

_LEFT = re.compile(r"\$\$|\$\{?(BUILDONCE_IMAGE_\w+)")


def fill_in(bundle: str, deployment: Deployment) -> str:
    """Return a bundle with a release's images in it; other variables stay.

    Raises:
        UsageError: an image has no place, or one is asked for that the release lacks.
    """
    images = {image_variable(name): str(ref) for name, ref in deployment.images.items()}
    used = set()

    def image(name: str) -> str | None:
        if name in images:
            used.add(name)
        return images.get(name)

    text = fill(bundle, image)
    if left := [name for name in _LEFT.findall(text) if name]:
        raise UsageError(
            f"{deployment.files.name} asks for ${{{left[0]}}}, which is no image of this release",
            hint=f"it may use {', '.join(images)}, each as ${{NAME}} or ${{NAME:?words}}",
        )
    if unused := sorted(set(images) - used):
        raise UsageError(
            f"{deployment.files.name} runs no service with ${{{unused[0]}}}",
            hint=f"write  image: ${{{unused[0]}}}  in it, and commit it; or list the services that "
            f"run there: {deployment.target.table}.services",
        )
    return text


def require_digests(found: Iterable[Part], deployment: Deployment) -> None:
    """See that a release's images are in its definition by digest.

    Raises:
        UsageError: one is there by tag.
    """
    own = {str(ref.repository): service for service, ref in deployment.images.items()}
    for part in found:
        service = own.get(_repository(part.image))
        if service and part.digest is None:
            raise UsageError(
                f"{deployment.files.name}: {part.name} runs {part.image}, which is only a tag",
                hint=f"write  image: ${{{image_variable(service)}}}  there, and commit it",
            )


def _repository(image: str) -> str:
    head, colon, tag = image.rpartition(":")
    return head if colon and "/" not in tag else image
