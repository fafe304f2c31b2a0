"""`inv bases`: what services are made from, and pins that follow their tags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from buildonce.commands.bases import show
from buildonce.config import read_table
from tests.kit.in_process import app, heard
from tests.kit.monorepo import Monorepo
from tests.kit.registry_wire import Images, another
from tests.kit.releases import push


@pytest.fixture
def base(project: Monorepo) -> str:
    """An image in the registry that both services are made from, by its tag."""
    push(project, "web", project.git("rev-parse", "HEAD"))
    image = f"{project.registry}/{project.namespace}/web:{project.sha()}"
    web = f"FROM {image} AS build\nFROM scratch\nCOPY --from=build /a /a\n"
    project.write({"web/Dockerfile": web, "jobs/Dockerfile": f"FROM {image}\n"})
    return image


def bases(project: Monorepo, *, update: bool = False, **settings: Any) -> str:
    there = app(project, **settings)
    show(there, update=update)
    return heard(there)


def pins(project: Monorepo) -> dict[str, str]:
    table: dict[str, str] = read_table(project.root).get("bases", {})
    return table


def test_what_is_used_where_is_listed(project: Monorepo, base: str) -> None:
    """Each image once, with the services and whether it is pinned; keys of nothing, too."""
    said = bases(project, bases={"nothing": "x"})
    assert f"{base}  floating" in said
    assert "web, jobs" in said
    assert "nothing" in said
    assert "unused" in said


def test_pins_are_written_and_follow_their_tags(project: Monorepo, base: str) -> None:
    """--update pins to what the tag names, prints old and new digest, and does so again later."""
    images = Images(project.registry, f"{project.namespace}/web")
    old = images.require(project.sha())
    assert f"floating  {old.digest}" in bases(project, update=True)
    assert pins(project) == {base: f"{base}@{old.digest}"}
    assert "up to date" in bases(project, update=True)
    images.put(project.sha(), another(old, "patched"))
    new = images.require(project.sha())
    assert f"{old.digest}  {new.digest}" in bases(project, update=True)
    assert pins(project) == {base: f"{base}@{new.digest}"}


def test_what_something_else_sets_is_left(project: Monorepo, base: str) -> None:
    """A pin that another file or a variable sets is not written into the project's file."""
    before = Path(project.root / "pyproject.toml").read_text()
    said = bases(project, update=True, bases={base: f"{base}@sha256:{'a' * 64}"})
    assert "left as it is" in said
    assert Path(project.root / "pyproject.toml").read_text() == before


def test_an_image_has_one_pin_whatever_it_is_called(project: Monorepo, base: str) -> None:
    """Of several names of one image the first is pinned, in a file that keeps its line ends."""
    image = base.rpartition(":")[0]
    images = Images(project.registry, f"{project.namespace}/web")
    images.put("latest", images.require(project.sha()))
    named = {"web": image, "jobs": f"{image}:latest"}
    project.write({f"{name}/Dockerfile": f"FROM {one}\n" for name, one in named.items()})
    file = project.root / "pyproject.toml"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    bases(project, update=True)
    assert list(pins(project)) == [image]
    assert file.read_bytes().count(b"\n") == file.read_bytes().count(b"\r\n")
