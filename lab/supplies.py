"""What a lab is made of, fetched once: the machine's packages, and images in the cache."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import images, packages
from .place import cache, locked
from .progress import stage

RECIPES = (images.PYTHON, images.STORE)


def ensure() -> None:
    """Have the packages installed and the images made, both at the same time.

    Raises:
        LabError: packages could not be had, or an image not be made of them.
    """
    if _complete():
        return
    with locked(cache()):
        if not _complete():
            _fetch()


def _complete() -> bool:
    return not packages.missing_engine() and not _images_to_make()


def _images_to_make() -> list[images.Recipe]:
    return [recipe for recipe in RECIPES if not images.cached(recipe, cache())]


def _fetch() -> None:
    apt, recipes = cache() / "apt", _images_to_make()
    tools = packages.missing_image_tools() if recipes else []
    engine = packages.missing_engine()
    if tools or engine:
        with stage("package lists"):
            packages.refresh(apt)
    with stage("tools that make images"):
        packages.install(tools, apt)
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
