"""What a lab is made of, fetched once: the machine's packages, and images in the cache."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import images, packages
from .place import cache, locked
from .progress import stage

ETCD = "usr/bin/etcd"
RECIPES = (images.PYTHON, images.STORE)


def ensure(*, kubernetes: bool = False) -> None:
    """Have the packages installed and the images made, both at the same time.

    With `kubernetes`, also what a cluster needs.

    Raises:
        LabError: packages could not be had, or an image not be made of them.
    """
    if _complete(kubernetes):
        return
    with locked(cache()):
        if not _complete(kubernetes):
            _fetch(kubernetes)


def _complete(kubernetes: bool) -> bool:
    supplied = not _missing(kubernetes) and not _images_to_make(kubernetes)
    return supplied and (not kubernetes or etcd().exists())


def etcd() -> Path:
    """Where the program etcd is, once it is supplied."""
    return cache() / packages.ETCD / ETCD


def _missing(kubernetes: bool) -> list[str]:
    return packages.missing_engine() + (packages.missing_kubernetes() if kubernetes else [])


def _images_to_make(kubernetes: bool) -> list[images.Recipe]:
    recipes = (*RECIPES, images.PAUSE) if kubernetes else RECIPES
    return [recipe for recipe in recipes if not images.cached(recipe, cache())]


def _fetch(kubernetes: bool) -> None:
    apt, recipes = cache() / "apt", _images_to_make(kubernetes)
    tools = packages.missing_image_tools() if recipes else []
    engine = _missing(kubernetes)
    unpacks = kubernetes and not etcd().exists()
    if tools or engine or unpacks:
        with stage("package lists"):
            packages.refresh(apt)
    with stage("tools that make images"):
        packages.install(tools, apt)
    if unpacks:
        with stage("etcd"):
            packages.unpack(packages.ETCD, cache() / packages.ETCD, apt)
    for abandoned in cache().glob(f"{images.UNFINISHED}*"):
        shutil.rmtree(abandoned)
    with ThreadPoolExecutor() as together:
        jobs = [together.submit(_make, recipe) for recipe in recipes]
        jobs.append(together.submit(_install, engine, apt))
    for job in jobs:
        job.result()


def _make(recipe: images.Recipe) -> None:
    with stage(f"image {recipe.repository}"):
        images.make(recipe, cache(), packages.mirror())


def _install(names: Sequence[str], apt: Path) -> None:
    with stage("packages of the engine and the registry"):
        packages.install(names, apt)
