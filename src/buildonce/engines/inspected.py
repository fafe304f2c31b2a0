"""What the engine's own descriptions of containers and images say. Pure functions of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from buildonce.refs import Digest

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


Inspect = Callable[[Sequence[str]], Iterable[Mapping[str, Any]]]
"""Returns what ``docker inspect --type image`` says about images, by their ids."""


def manifest_digests(
    containers: Collection[Mapping[str, Any]], inspect: Inspect
) -> dict[str, Digest | None]:
    """Return the digest of the manifest that each container was made from, by the container's id.

    Images are looked at only where a container's own description does not say enough.
    """
    unknown = {row["Image"] for row in containers if _named_by_manifest(row) is None}
    images = {image["Id"]: image for image in inspect(sorted(unknown))}
    return {row["Id"]: manifest_digest(row, images.get(row["Image"])) for row in containers}


def manifest_digest(container: Mapping[str, Any], image: Mapping[str, Any] | None) -> Digest | None:
    """Return the digest of the manifest that a container was made from.

    The containerd image store names images by their manifest; the classic store by their
    configuration, and lists the manifests that it knows it by in ``RepoDigests``. An image
    that was never pulled or pushed has no manifest there: None, it cannot be told.

    Args:
        container: what ``docker inspect --type container`` says.
        image: what ``docker inspect --type image`` says about the container's ``Image``;
            None where the image is gone.
    """
    if named := _named_by_manifest(container):
        return named
    if image is None:
        return _descriptor(container.get("ImageManifestDescriptor"))
    if known := _repo_digests(image):
        created_as = str(container.get("Config", {}).get("Image", "")).partition("@")[2]
        return Digest(created_as if created_as in known else known[0])
    return _descriptor(image.get("Descriptor"))


def _named_by_manifest(container: Mapping[str, Any]) -> Digest | None:
    """Return the digest of a container's image where that is what it was asked for by.

    Only the containerd image store names an image by its manifest: the classic store's names
    are digests of configurations, and no reference has one.
    """
    asked = str(container.get("Config", {}).get("Image", "")).partition("@")[2]
    return Digest(asked) if asked and asked == container["Image"] else None


@dataclass(frozen=True)
class Container:
    """A container of a Compose project.

    ``definition`` is Compose's hash of its service, as it was when the container was made.
    """

    id: str
    name: str
    service: str
    number: int
    one_off: bool
    image: str
    state: str
    exit_code: int
    restarts: int
    started_at: str
    definition: str = ""

    @classmethod
    def read(cls, inspected: Mapping[str, Any]) -> Container:
        """Read what ``docker inspect --type container`` says."""
        labels = inspected["Config"].get("Labels") or {}
        state = inspected["State"]
        return cls(
            id=inspected["Id"],
            name=inspected["Name"].lstrip("/"),
            service=labels.get("com.docker.compose.service", ""),
            number=int(labels.get("com.docker.compose.container-number") or 0),
            one_off=labels.get("com.docker.compose.oneoff") == "True",
            image=inspected["Image"],
            state=_state(state),
            exit_code=int(state.get("ExitCode") or 0),
            restarts=int(inspected.get("RestartCount") or 0),
            started_at=state.get("StartedAt", ""),
            definition=labels.get("com.docker.compose.config-hash", ""),
        )

    @property
    def up(self) -> bool:
        """Whether it runs, and is healthy where it can tell."""
        return self.state in ("running", "healthy")


def _state(state: Mapping[str, Any]) -> str:
    """Return the engine's state of a container, and its health where it has a check."""
    status = str(state.get("Status", "unknown"))
    health = (state.get("Health") or {}).get("Status", "none")
    return health if status == "running" and health != "none" else status


def _repo_digests(image: Mapping[str, Any]) -> list[str]:
    listed = [str(name).partition("@")[2] for name in image.get("RepoDigests") or []]
    return sorted(digest for digest in listed if _DIGEST.fullmatch(digest))


def _descriptor(descriptor: Mapping[str, Any] | None) -> Digest | None:
    digest = str((descriptor or {}).get("digest", ""))
    return Digest(digest) if _DIGEST.fullmatch(digest) else None
