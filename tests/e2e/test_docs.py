"""The README and the recipes run as written, in a monorepo made by docs/adopt.md itself."""

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import lab
from tests.kit.nightly import nightly
from tests.kit.recipes import (
    ADOPT,
    BUILD_AND_STAGE,
    Events,
    Monorepo,
    a_broken_commit,
    a_commit,
    begin,
    follow,
)
from tests.kit.repository import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
ELSEWHERE = {ADOPT, ROOT / "docs/kubernetes.md"}
RECIPES = [page for page in DOCUMENTS if page not in ELSEWHERE and "```console" in page.read_text()]
COMPOSE = ("docker", "compose", "--project-name", "acme-production")


def case(page: Path) -> Any:
    """A page is followed each night, and the README before merging too."""
    return pytest.param(page, id="README") if page.stem == "README" else nightly(page, id=page.stem)


@pytest.fixture
def monorepo(tmp_path: Path) -> Iterator[Monorepo]:
    made = begin(tmp_path, lab.up())
    yield made
    made.succeed(*COMPOSE, "down", "--volumes")


@pytest.mark.nightly
def test_adopting_it_takes_what_the_recipe_says(monorepo: Monorepo) -> None:
    """A monorepo with the files and the commands of docs/adopt.md is built and promoted."""
    monorepo.commit("Ship it")
    follow(ADOPT, monorepo, EVENTS)


@pytest.mark.parametrize("document", [*map(case, RECIPES)])
def test_a_recipe_does_what_it_says(document: Path, monorepo: Monorepo) -> None:
    """Where two commits have been released, each command ends, and prints, as written."""
    monorepo.release("Open the shop")
    (monorepo.root / "shop/shop.py").write_text('print("open, with a sale")\n')
    monorepo.write_files(document)
    monorepo.release("Start the sale")
    follow(document, monorepo, EVENTS)


def a_container_by_hand(monorepo: Monorepo) -> None:
    """Somebody runs the image that is in staging, in the place of production's shop."""
    images = {
        f"BUILDONCE_IMAGE_{name.upper()}": f"{monorepo.registry}/{name}:staging"
        for name in ("shop", "mail")
    }
    up = (*COMPOSE, "--file", "deploy/compose.yaml", "up", "--detach", "--no-deps", "shop")
    replace(monorepo, env={**monorepo.env, **images}).succeed(*up)


def a_killed_promotion(monorepo: Monorepo) -> None:
    """A promotion of production dies when one of its two pointers has moved."""
    a_commit(monorepo)
    monorepo.succeed("inv", *BUILD_AND_STAGE)
    status, output = monorepo.shell(f"exec python -c '{DIE_HALF_WAY}'")
    assert status == -signal.SIGKILL, output


def a_pushed_pointer(monorepo: Monorepo) -> None:
    """Somebody pushes an older image as production's."""
    monorepo.push_by_hand("production")


def a_pushed_commit_tag(monorepo: Monorepo) -> None:
    """Somebody pushes an older image as the commit before's."""
    monorepo.push_by_hand(monorepo.succeed("inv", "sha", "--sha", "HEAD~1"))


def no_registry(monorepo: Monorepo) -> None:
    """The registry is gone."""
    settings = Path(monorepo.env["INVOKE_RUNTIME_CONFIG"])
    kept = json.loads(settings.read_text())["buildonce"]
    settings.write_text(json.dumps({"buildonce": {**kept, "registry": "127.0.0.1:1"}}))


DIE_HALF_WAY = """
import os, signal, threading
from buildonce.registry import Registry
from invoke.main import program

point = Registry.point

def point_and_die(registry, tag, digest):
    if "shop" not in str(tag):
        threading.Event().wait()
    point(registry, tag, digest)
    os.kill(os.getpid(), signal.SIGKILL)

Registry.point = point_and_die
program.run(["inv", "promote", "production"])
"""

EVENTS: Events = {
    "a-broken-commit": a_broken_commit,
    "a-commit": a_commit,
    "a-container-by-hand": a_container_by_hand,
    "a-killed-promotion": a_killed_promotion,
    "a-pushed-commit-tag": a_pushed_commit_tag,
    "a-pushed-pointer": a_pushed_pointer,
    "no-registry": no_registry,
}
