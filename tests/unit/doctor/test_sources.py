"""What `inv doctor` finds in the commit's Dockerfiles and contexts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from buildonce.adopt.survey import Survey
from buildonce.config import Project, parse
from buildonce.doctor.sources import examine

FILES = {
    "shop/Dockerfile": "FROM node:22 AS web\nFROM python:3.13@sha256:aa\nCOPY --from=web /a /a\n"
    "COPY shop libs /srv/\n",
    "shop/shop.py": "",
    "libs/libs.py": "",
}


def project(service: Mapping[str, object], **more: object) -> Project:
    return parse({"registry": "r.example/acme", "services": {"shop": service}, **more})


def found(
    service: Mapping[str, object], files: Mapping[str, str], **more: object
) -> dict[str, str]:
    """What is wrong, and the remedy of each."""
    tree = Survey(Path("/nowhere"), tuple(files), texts=files)
    looked_at = examine(project(service, **more), tree)
    return {finding.found: finding.remedy for finding in looked_at if finding.level == "problem"}


def unpinned(files: Mapping[str, str], **more: object) -> list[str]:
    """The images that are warned of."""
    tree = Survey(Path("/nowhere"), tuple(files), texts=files)
    looked_at = examine(project({}, **more), tree)
    return [finding.subject for finding in looked_at if finding.level == "warning"]


def test_what_is_whole_has_no_problem() -> None:
    """A Dockerfile whose context has all that it copies is in order."""
    assert found({}, FILES) == {}


@pytest.mark.parametrize(
    ("service", "problem", "remedy"),
    [
        ({"context": "shop"}, "shop/Dockerfile copies libs, which", 'context = "."'),
        ({"context": "store"}, "the context store is not in the commit", "services.shop.context"),
        ({"dockerfile": "D"}, "D is not in the commit", "services.shop.dockerfile"),
        ({"target": "debug"}, "the Dockerfile has no stage 'debug'", "services.shop.target"),
    ],
)  # fmt: skip
def test_each_obstacle_has_a_remedy(
    service: Mapping[str, object], problem: str, remedy: str
) -> None:
    """What would stop the build is named with the setting to change."""
    problems = found(service, FILES)
    assert any(problem in one and remedy in problems[one] for one in problems), problems


def test_every_source_out_of_reach_is_named() -> None:
    """Not the first alone: each source that the context lacks is a problem of its own."""
    files = {**FILES, "shop/Dockerfile": "FROM scratch\nCOPY a b /\nCOPY --from=x c /\n"}
    assert len(found({}, files)) == 2


def test_images_without_a_digest_are_named() -> None:
    """Each outside image by tag is named, also those of COPY --from; stages and digests are not."""
    text = FILES["shop/Dockerfile"] + "COPY --from=ghcr.io/uv:1 /uv /bin/\n"
    named = unpinned({**FILES, "shop/Dockerfile": text})
    assert sorted(named) == ["image ghcr.io/uv:1", "image node:22"]


def test_an_image_that_the_configuration_pins_is_not_named() -> None:
    """`bases` with a digest pins a tag."""
    assert unpinned(FILES, bases={"node:22": "node:22@sha256:" + "a" * 64}) == []
