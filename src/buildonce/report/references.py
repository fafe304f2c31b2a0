"""A release's images by digest, in the forms that other deployment tools read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import yaml

from buildonce.config.fields import image_variable
from buildonce.refs import ImageRef

Images = Mapping[str, ImageRef]
Names = Mapping[str, str]


def as_kustomize(images: Images, names: Names) -> str:
    """Return a component that sets the digests, for ``components:`` of a kustomization.

    ``names`` has what the manifests call a service's image where that is not its repository
    (kustomize.config.k8s.io/v1alpha1, field ``images``).
    """
    changes = [
        {
            "name": names.get(service, str(image.repository)),
            "newName": str(image.repository),
            "digest": image.reference,
        }
        for service, image in images.items()
    ]
    return _yaml(
        {
            "apiVersion": "kustomize.config.k8s.io/v1alpha1",
            "kind": "Component",
            "images": changes,
        }
    )


def as_helm(images: Images, _names: Names) -> str:
    """Return values: ``SERVICE.image.repository`` and ``SERVICE.image.digest``."""
    return _yaml(
        {
            service: {"image": {"repository": str(image.repository), "digest": image.reference}}
            for service, image in images.items()
        }
    )


def as_env(images: Images, _names: Names) -> str:
    """Return lines ``BUILDONCE_IMAGE_SERVICE=reference``, for ``--env-file`` and shells."""
    return "".join(f"{image_variable(service)}={image}\n" for service, image in images.items())


def as_json(images: Images, _names: Names) -> str:
    """Return an object of references by service."""
    return json.dumps({service: str(image) for service, image in images.items()}, indent=2) + "\n"


FORMATS: Mapping[str, Callable[[Images, Names], str]] = {
    "kustomize": as_kustomize,
    "helm": as_helm,
    "env": as_env,
    "json": as_json,
}


def _yaml(content: Mapping[str, object]) -> str:
    return yaml.safe_dump(dict(content), sort_keys=False)
