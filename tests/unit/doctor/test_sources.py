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


def warned(service: Mapping[str, object], dockerfile: str) -> dict[str, str]:
    """What is warned of, and the remedy of each."""
    files = {"shop/Dockerfile": dockerfile}
    looked_at = examine(project(service), Survey(Path("/nowhere"), tuple(files), texts=files))
    return {finding.found: finding.remedy for finding in looked_at if finding.level == "warning"}


def test_a_secret_that_is_mounted_and_not_configured_is_named() -> None:
    """A build that mounts what nobody gives it goes without."""
    mounting = "FROM scratch\nRUN --mount=type=secret,id=token --mount=type=ssh true\n"
    assert warned({}, mounting) == {
        "shop/Dockerfile mounts secret token, which services.shop.secrets does not have": "add "
        "token to services.shop.secrets",
        "shop/Dockerfile mounts ssh default, which services.shop.ssh does not have": "add default "
        "to services.shop.ssh",
    }


def test_a_secret_that_nothing_mounts_or_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is configured in vain is named, and what this machine lacks."""
    monkeypatch.delenv("TOKEN", raising=False)
    said = warned({"secrets": {"token": {"variable": "TOKEN"}}}, "FROM scratch\n")
    assert list(said) == [
        "the variable TOKEN, for the secret token, is not set",
        "services.shop.secrets has token, and no RUN of shop/Dockerfile mounts it",
    ]
