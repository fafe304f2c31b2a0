"""The images that services' Dockerfiles take from outside: found, and pinned by digest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from buildonce.build.dockerfile import Images, images_of_all
from buildonce.config import Project, suggest
from buildonce.errors import PreconditionError, UsageError
from buildonce.parallel import run_by_key
from buildonce.refs import Digest, ImageRef, full_reference


@dataclass(frozen=True)
class Pins:
    """What one service's build takes from outside.

    ``images`` has each image as the Dockerfile writes it, and by digest what is taken in its
    place. ``base`` is the one that the built stage begins from; None stands for ``scratch``.
    """

    base: str | None
    images: Mapping[str, ImageRef]


def find(
    project: Project,
    services: Collection[str],
    read: Callable[[Sequence[str]], Sequence[bytes | None]],
) -> dict[str, Images]:
    """Return the images that services' Dockerfiles take from outside.

    ``read`` returns the content of files by their paths, None where there is none.

    Raises:
        PreconditionError: a Dockerfile is missing or cannot be read.
    """
    paths = {service: project.dockerfile(service) for service in services}
    contents = read(list(paths.values()))
    return {
        service: _of_service(project, service, content)
        for service, content in zip(paths, contents, strict=True)
    }


def pin(
    project: Project, found: Mapping[str, Images], digest: Callable[[ImageRef], Digest | None]
) -> dict[str, Pins]:
    """Return what each service's images stand for, by digest; ``digest`` asks their registries.

    An image is asked for once, however many names it has: its tag may move meanwhile.

    Raises:
        PreconditionError: a registry does not have an image.
    """
    names = {full_reference(name): name for images in found.values() for name in images.all}
    pinned = run_by_key(lambda name: _pinned(project, name, digest), names)
    return {
        service: Pins(images.base, {name: pinned[full_reference(name)] for name in images.all})
        for service, images in found.items()
    }


def require_used(bases: Mapping[str, str], found: Mapping[str, Images]) -> None:
    """See that every key of ``bases`` stands for an image that a Dockerfile names.

    Raises:
        UsageError: a key stands for none.
    """
    for key in unused(bases, found):
        names = sorted({name for images in found.values() for name in images.all})
        raise UsageError(
            f"tool.buildonce.bases: no Dockerfile uses {key!r}{suggest(key, names)}",
            hint="inv bases lists the images that Dockerfiles use; correct the key, or remove it",
        )


def unused(bases: Mapping[str, str], found: Mapping[str, Images]) -> list[str]:
    """Return the keys of ``bases`` that stand for no image of a Dockerfile."""
    used = {full_reference(name) for images in found.values() for name in images.all}
    return [key for key in bases if full_reference(key) not in used]


def stand_in(bases: Mapping[str, str], name: str) -> str:
    """Return what ``bases`` has in an image's place, or the image itself.

    Names are compared as BuildKit does: ``python`` is ``docker.io/library/python:latest``.
    """
    meant = {full_reference(key): value for key, value in bases.items()}
    return meant.get(full_reference(name), name)


def _of_service(project: Project, service: str, content: bytes | None) -> Images:
    table, path = project.service(service), project.dockerfile(service)
    try:
        if content is None:
            raise PreconditionError(
                "there is no such file in this commit",
                hint=f"commit it, or set tool.buildonce.services.{service}.dockerfile",
            )
        images = images_of_all(content.decode(), table.target, table.args, project.platforms)
        for name in images.all:
            ImageRef.parse(name)
    except UnicodeDecodeError:
        raise PreconditionError(f"service {service}, {path}: is not a text in UTF-8") from None
    except (PreconditionError, UsageError) as error:
        raise PreconditionError(
            f"service {service}, {path}: {error.message}", hint=error.hint
        ) from None
    return images


def _pinned(project: Project, name: str, digest: Callable[[ImageRef], Digest | None]) -> ImageRef:
    ref = ImageRef.parse(stand_in(project.bases, name))
    found = Digest(ref.reference) if ref.by_digest else digest(ref)
    if found is None:
        raise PreconditionError(
            f"the base image {ref} is not in its registry",
            hint=f'name another in [tool.buildonce.bases]: "{name}" = "…"',
        )
    return ref.repository.at(found)
