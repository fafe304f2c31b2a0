"""What a lab is made of, fetched once: the machine's packages, and images in the cache."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.own import images, packages
from lab.place import cache, locked
from lab.progress import stage

ETCD = "usr/bin/etcd"
RECIPES = (images.PYTHON, images.STORE)


def ensure(*, engine: bool, kubernetes: bool = False) -> None:
    """Have the packages installed and the images made, both at the same time.

    Without `engine`, the registry's package alone; with `kubernetes`, also what a cluster needs.

    Raises:
        LabError: packages could not be had, or an image not be made of them.
    """
    if _complete(engine, kubernetes):
        return
    with locked(cache()):
        if not _complete(engine, kubernetes):
            _fetch(engine, kubernetes)


def _complete(engine: bool, kubernetes: bool) -> bool:
    supplied = not _missing(engine, kubernetes) and not _images_to_make(engine, kubernetes)
    return supplied and (not kubernetes or etcd().exists())


def etcd() -> Path:
    """Where the program etcd is, once it is supplied."""
    return cache() / packages.ETCD / ETCD


def _missing(engine: bool, kubernetes: bool) -> list[str]:
    programs = packages.missing_programs(engine=engine)
    return programs + (packages.missing_kubernetes() if kubernetes else [])


def _images_to_make(engine: bool, kubernetes: bool) -> list[images.Recipe]:
    recipes = (*RECIPES, images.PAUSE) if kubernetes else RECIPES
    return [recipe for recipe in recipes if engine and not images.cached(recipe, cache())]


def _fetch(engine: bool, kubernetes: bool) -> None:
    apt, recipes = cache() / "apt", _images_to_make(engine, kubernetes)
    tools = packages.missing_image_tools() if recipes else []
    programs = _missing(engine, kubernetes)
    unpacks = kubernetes and not etcd().exists()
    if tools or programs or unpacks:
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
        jobs.append(together.submit(_install, programs, apt))
    for job in jobs:
        job.result()


def _make(recipe: images.Recipe) -> None:
    with stage(f"image {recipe.repository}"):
        images.make(recipe, cache(), packages.mirror())


def _install(names: Sequence[str], apt: Path) -> None:
    with stage("packages of the engine and the registry"):
        packages.install(names, apt)
