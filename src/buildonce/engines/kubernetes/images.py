"""Put the release's images, by digest, into manifests as people have them."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from buildonce.config.fields import image_variable
from buildonce.engines.base import Deployment
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.errors import UsageError
from buildonce.refs import full_name

_VARIABLE = re.compile(r"\$\{(\w+)(?::[?-][^{}]*)?\}")
_LEFT = re.compile(r"\$\{?(BUILDONCE_IMAGE_\w+)")


def fill_in(text: str, deployment: Deployment) -> tuple[str, set[str]]:
    """Return a file's text with variables filled in, and the services whose image that was.

    Only the release's images and the environment's own variables are: other ``${…}`` stay.

    Raises:
        UsageError: an image is asked for that the release does not have.
    """
    services = {image_variable(name): name for name in deployment.images}
    used = set()

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name in services:
            used.add(services[name])
            return str(deployment.images[services[name]])
        return deployment.variables.get(name, match[0])

    filled = _VARIABLE.sub(fill, text)
    if left := _LEFT.search(filled):
        raise UsageError(
            f"{deployment.files.name} asks for ${{{left[1]}}}, which is no image of this release",
            hint=f"it may use {', '.join(services)}, each as ${{NAME}}",
        )
    return filled, used


def replace(
    manifests: Sequence[Manifest], deployment: Deployment, used: set[str]
) -> list[Manifest]:
    """Return objects in which every container of a service has the release's image.

    ``used`` are the services that were filled in as variables.

    Raises:
        UsageError: a service is in none of the objects, an image of one is in a field that is no
            container's, or a container's image is a variable without a value.
    """
    replacing = _Replacing(deployment)
    replaced = [replacing.replaced(manifest) for manifest in manifests]
    missing = sorted(set(deployment.images) - replacing.found - used)
    if missing:
        repository = deployment.images[missing[0]].repository
        raise UsageError(
            f"{deployment.files.name} runs no container of service {missing[0]}",
            hint=f"name its image there: {repository}, or ${{{image_variable(missing[0])}}}; or "
            f"give the name that it has there in {deployment.target.table}.images; or list the "
            f"services that run there: {deployment.target.table}.services",
        )
    for manifest in replaced:
        replacing.require_names(manifest)
        replacing.require_no_other(manifest)
    return replaced


def services_by_name(deployment: Deployment) -> dict[str, str]:
    """Return which service is meant by an image's full name, as manifests may have it."""
    own = {str(ref.repository): name for name, ref in deployment.images.items()}
    given = {
        full_name(other): service
        for service, other in deployment.names.items()
        if service in deployment.images
    }
    return own | given


@dataclass
class _Replacing:
    deployment: Deployment
    found: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._services = services_by_name(self.deployment)

    def replaced(self, manifest: Manifest) -> Manifest:
        body = copy.deepcopy(dict(manifest.body))
        for container in Manifest(body).containers:
            service = self._services.get(full_name(str(container.get("image", ""))))
            if service:
                self.found.add(service)
                assert isinstance(container, dict)
                container["image"] = str(self.deployment.images[service])
        return Manifest(body)

    def require_names(self, manifest: Manifest) -> None:
        """See that every container has an image by name: the API takes anything, a kubelet not."""
        for container in manifest.containers:
            image = str(container.get("image", ""))
            if "$" in image:
                raise UsageError(
                    f"{self.deployment.files.name}: container {container.get('name')} of "
                    f"{manifest.title} has the image {image}, and nothing says what that is",
                    hint=f"give it a value under {self.deployment.target.table}.variables",
                )

    def require_no_other(self, manifest: Manifest) -> None:
        """See that no field but the containers' names an image of a service, by a tag."""
        known = {str(ref) for ref in self.deployment.images.values()}
        for path, text in _texts(manifest.body):
            if text in known or any(character.isspace() for character in text):
                continue
            if ":" in text and (service := self._services.get(full_name(text))):
                raise UsageError(
                    f"{self.deployment.files.name}: {path} of {manifest.title} names {text}, and "
                    "is not the image of a container, so it was not replaced",
                    hint=f"write ${{{image_variable(service)}}} there, and commit it",
                )


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{path}[{number}]")
    elif isinstance(value, str):
        yield path, value
