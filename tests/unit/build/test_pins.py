"""Images from outside: found in every Dockerfile, and pinned under each of their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from buildonce.build import pins
from buildonce.build.dockerfile import Images
from buildonce.config import Project, parse
from buildonce.errors import PreconditionError, UsageError
from buildonce.refs import Digest, ImageRef
from tests.kit.samples import digest

HUB = "docker.io/library"


def project(**changed: Any) -> Project:
    return parse(
        {"registry": "registry.example.org", "services": {"api": {}, "web": {}}, **changed}
    )


def hub(ref: ImageRef) -> Digest | None:
    """A registry that has every image but one."""
    return None if ref.repository.path.endswith("missing") else digest(str(ref))


def pinned(made: Project, *names: str) -> dict[str, str]:
    (found,) = pins.pin(made, {"api": Images(None, names)}, hub).values()
    return {name: str(ref) for name, ref in found.images.items()}


def test_an_image_is_pinned_to_what_its_registry_has_now() -> None:
    """Each name stands for the digest that its tag has; one by digest stands for itself."""
    by_digest = f"python:3@{digest('old')}"
    assert pinned(project(), "python", by_digest) == {
        "python": f"{HUB}/python@{digest(f'{HUB}/python:latest')}",
        by_digest: f"{HUB}/python@{digest('old')}",
    }


@pytest.mark.parametrize("key", ["python", "python:latest", "docker.io/library/python:latest"])
@pytest.mark.parametrize("name", ["python", "python:latest", "docker.io/python"])
def test_a_stand_in_has_all_names_of_its_image(key: str, name: str) -> None:
    """However `bases` and the Dockerfile write one image, they mean the same."""
    made = project(bases={key: f"mirror.example.org/py@{digest('pin')}"})
    assert pinned(made, name) == {name: f"mirror.example.org/py@{digest('pin')}"}


def test_an_image_is_asked_for_once() -> None:
    """Its tag may move meanwhile: all its names stand for the same bytes."""
    answers = iter([digest("first"), digest("moved")])
    images = {"api": Images(None, ("python",)), "web": Images(None, ("docker.io/python:latest",))}
    found = pins.pin(project(), images, lambda _: next(answers))
    refs = {str(ref) for one in found.values() for ref in one.images.values()}
    assert refs == {f"{HUB}/python@{digest('first')}"}


def test_an_image_that_is_not_there_is_named() -> None:
    """An image that its registry does not have ends the build with its name."""
    with pytest.raises(PreconditionError, match=r"docker\.io/library/missing:latest"):
        pinned(project(), "missing")


def test_a_key_that_nothing_uses_is_refused() -> None:
    """A key of `bases` that no Dockerfile's image has is an error, with what was perhaps meant."""
    found = {"api": Images(None, ("python:3.13-slim",))}
    pins.require_used({"docker.io/library/python:3.13-slim": "x"}, found)
    with pytest.raises(UsageError, match=r"3\.13slim'; perhaps you meant 'python:3\.13-slim'"):
        pins.require_used({"python:3.13slim": "x"}, found)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "service web, web/Dockerfile: there is no such file"),
        (b"\xff", "service web, web/Dockerfile: is not a text"),
        (b"FROM $V", "service web, web/Dockerfile: the name of an image cannot be told"),
        (b"FROM a/../b", "service web, web/Dockerfile: .*a/../b"),
    ],
    ids=["missing", "binary", "variable", "no name"],
)
def test_a_dockerfile_that_cannot_be_used_is_named(content: bytes | None, told: str) -> None:
    """Each problem ends with 3 and says which service and which file it is about."""

    def read(paths: Sequence[str]) -> list[bytes | None]:
        return [b"FROM python", content]

    with pytest.raises(PreconditionError, match=told):
        pins.find(project(), ["api", "web"], read)
