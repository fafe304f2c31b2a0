"""Images that the repository makes for its own Dockerfiles to begin from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from buildonce.adopt.builds import Build, untagged
from buildonce.adopt.service import Found
from buildonce.adopt.survey import Survey
from buildonce.build.dockerfile import external_images
from buildonce.errors import PreconditionError

_PLATFORM = "linux/amd64"


@dataclass(frozen=True)
class Base:
    """An image that other services are made from: its name in their Dockerfiles, and its own."""

    image: str
    made_by: Found

    def pushed(self, registry: str) -> str:
        """Return the name that it can be pushed under."""
        return f"{registry}/{self.made_by.name}:1"

    def command(self, registry: str) -> str:
        """Return what builds and pushes it."""
        words = ["docker buildx build --push --tag", self.pushed(registry)]
        words += ["--file", self.made_by.dockerfile, self.made_by.context]
        return " ".join(words)


def bases(survey: Survey, services: Sequence[Found], known: Sequence[Build]) -> list[Base]:
    """Return the services whose image another one is made from.

    A build that is known has that name as its tag; without, the name's last part is the service's.
    """
    taken = {service.name: _images(survey, service) for service in services}
    return [
        Base(image, service)
        for service in services
        for image in _distinct(taken, service.name)
        if _makes(service, image, known)
    ]


def _distinct(taken: Mapping[str, Sequence[str]], but: str) -> list[str]:
    return list(
        dict.fromkeys(image for name, images in taken.items() if name != but for image in images)
    )


def _images(survey: Survey, service: Found) -> tuple[str, ...]:
    if not survey.has(service.dockerfile):
        return ()
    try:
        text, args = survey.text(service.dockerfile), service.args
        return external_images(text, service.target or None, args, _PLATFORM).all
    except PreconditionError:
        return ()


def _makes(service: Found, image: str, known: Sequence[Build]) -> bool:
    mine = [build for build in known if build.makes(service.dockerfile)]
    if any(build.names(image) for build in mine):
        return True
    _, slash, last = untagged(image).rpartition("/")
    return bool(slash) and last == service.name and not any(build.tags for build in mine)
