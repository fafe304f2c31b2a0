"""The folder that a build sees: exactly its inputs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from buildonce.build.inputs import Inputs
from buildonce.git.trees import Tree


def prepare(inputs: Inputs, tree: Tree, exported: Path, folder: Path) -> Path:
    """Return the folder to build from: the exported context, or one of links to a part of it.

    Args:
        inputs: the service's inputs.
        tree: the commit's tree.
        exported: the project's root, where all inputs were exported to.
        folder: where to make the links; it does not exist yet.
    """
    if inputs.visible == (inputs.context,):
        return exported / inputs.context
    folder.mkdir()
    _link(
        (path for visible in inputs.visible for path in tree.files(visible)),
        exported, inputs.context, folder,
    )  # fmt: skip
    return folder


def _link(paths: Iterable[str], exported: Path, context: str, folder: Path) -> None:
    for path in paths:
        place = folder / PurePosixPath(path).relative_to(context)
        place.parent.mkdir(parents=True, exist_ok=True)
        _link_one(exported / path, place)
    for below, _, _ in os.walk(folder):
        Path(below).chmod(0o755)  # whatever the umask is


def _link_one(source: Path, place: Path) -> None:
    if source.is_symlink():
        place.symlink_to(source.readlink())
        return
    try:
        os.link(source, place)
    except OSError:
        shutil.copy2(source, place)
