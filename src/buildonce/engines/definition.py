"""The project's own Compose or stack file: images filled in, and read as Compose reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from buildonce.config.fields import image_variable
from buildonce.engines.base import Deployment
from buildonce.engines.docker import Docker, Refused
from buildonce.errors import UsageError
from buildonce.refs import Digest

_VARIABLE = re.compile(
    r"\$\$|\$(?:(?P<bare>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)(?P<rest>[^{}]*)\})"
)
_LEFT = re.compile(r"\$\$|\$\{?(BUILDONCE_IMAGE_\w+)")
_BY_DIGEST = re.compile(r".+@(sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class Part:
    """One service of the definition, as far as it can be told without any variable's value."""

    name: str
    image: str
    replicas: int | None
    needs: Mapping[str, str]
    optional: bool

    @property
    def digest(self) -> Digest | None:
        """The bytes it has to run, where the definition says so."""
        return digest_in(self.image)


def digest_in(image: str) -> Digest | None:
    """Return the digest that an image's name has, if it has one."""
    match = _BY_DIGEST.fullmatch(image)
    return Digest(match[1]) if match else None


def render(deployment: Deployment) -> str:
    """Return the definition with the release's images in it; other variables stay.

    Raises:
        UsageError: an image has no place, or one is asked for that the release does not have.
    """
    images = {image_variable(name): str(ref) for name, ref in deployment.images.items()}
    used = set()

    def fill(match: re.Match[str]) -> str:
        name = match["bare"] or match["braced"]
        if name not in images:
            return match[0]
        used.add(name)
        return images[name]

    text = _VARIABLE.sub(fill, deployment.definition)
    if left := [name for name in _LEFT.findall(text) if name]:
        raise UsageError(
            f"{deployment.file.name} asks for ${{{left[0]}}}, which is no image of this release",
            hint=f"it may use {', '.join(images)}, each as ${{NAME}} or ${{NAME:?words}}",
        )
    if unused := sorted(set(images) - used):
        raise UsageError(
            f"{deployment.file.name} runs no service with ${{{unused[0]}}}",
            hint=f"write  image: ${{{unused[0]}}}  in it, and commit it",
        )
    return text


def parts(docker: Docker, deployment: Deployment) -> dict[str, Part]:
    """Return the definition's services by name. No variable needs a value for that.

    Raises:
        UsageError: Compose cannot read the definition, or one of the project's own images is
            in it by tag.
    """
    found = {
        name: _part(name, service or {})
        for name, service in model(docker, deployment).get("services", {}).items()
    }
    _require_digests(found.values(), deployment)
    return found


def model(docker: Docker, deployment: Deployment) -> dict[str, Any]:
    """Return the definition as data, variables as they are written.

    Raises:
        UsageError: Compose cannot read it.
    """
    try:
        text = docker.run(
            *("compose", "--file", "-", "config", "--format", "json"),
            *("--no-interpolate", "--no-normalize", "--no-path-resolution"),
            *("--no-consistency", "--no-env-resolution"),
            text=render(deployment), folder=deployment.file.parent,
        )  # fmt: skip
    except Refused as refused:
        raise unusable(deployment, refused.said) from None
    read: dict[str, Any] = json.loads(text)
    return read


def require_part(deployment: Deployment, parts: Mapping[str, Part], name: str) -> None:
    """See that the definition has a service.

    Raises:
        UsageError: it has not.
    """
    if name not in parts:
        raise UsageError(
            f"{deployment.file.name} has no service {name}", hint=f"it has {', '.join(parts)}"
        )


def foreign_needs(service: str, parts: Mapping[str, Part], deployment: Deployment) -> list[str]:
    """Return the services of others' images that a service needs, also at second hand."""
    own = {ref.reference for ref in deployment.images.values()}
    found: list[str] = []
    wanted = list(parts[service].needs)
    while wanted:
        name = wanted.pop()
        if name in parts and name not in found and parts[name].digest not in own:
            found.append(name)
            wanted += parts[name].needs
    return found


def unusable(deployment: Deployment, said: str) -> UsageError:
    """Return the error for a definition that a tool does not take."""
    return UsageError(
        f"{deployment.file.name} of release {deployment.sha} cannot be used: {said}",
        hint="set what is missing, or correct the file and commit it",
    )


def _part(name: str, service: Mapping[str, Any]) -> Part:
    needs = service.get("depends_on") or {}
    return Part(
        name=name,
        image=str(service.get("image", "")),
        replicas=_replicas(service),
        needs={other: how.get("condition", "") for other, how in needs.items()},
        optional=bool(service.get("profiles")),
    )


def _replicas(service: Mapping[str, Any]) -> int | None:
    wanted = (service.get("deploy") or {}).get("replicas", service.get("scale", 1))
    return int(wanted) if str(wanted).isdecimal() else None


def _require_digests(found: Iterable[Part], deployment: Deployment) -> None:
    own = {str(ref.repository): service for service, ref in deployment.images.items()}
    for part in found:
        service = own.get(_repository(part.image))
        if service and part.digest is None:
            raise UsageError(
                f"{deployment.file.name}: {part.name} runs {part.image}, which is only a tag",
                hint=f"write  image: ${{{image_variable(service)}}}  there, and commit it",
            )


def _repository(image: str) -> str:
    head, colon, tag = image.rpartition(":")
    return head if colon and "/" not in tag else image
