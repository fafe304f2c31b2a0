"""What decides a service's bytes, and the identity that is the hash of it. Pure.

Neither the commit nor its time, the clone, the machine or the registry's address is in it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from buildonce.build.pins import Pins
from buildonce.config import Project
from buildonce.errors import PreconditionError
from buildonce.git.trees import Tree

_PATTERN = re.compile(r"[*?[]")

_FORMAT = 1
"""Changes whenever builds of the same inputs would give other bytes than before."""


@dataclass(frozen=True)
class Inputs:
    """A service's inputs in one commit.

    ``context`` is the folder that it is built from, ``dockerfile`` how, ``visible`` what of the
    context the build sees, ``needed`` that and the Dockerfile and its ignore file; all are paths
    from the project's root. ``content`` has what of the tree is in the identity, from the
    repository's root: inputs outside the context and attributes as well. ``files`` and
    ``settings`` are hashes, and so is the ``identity`` of all together.
    """

    context: str
    dockerfile: str
    visible: tuple[str, ...]
    needed: tuple[str, ...]
    content: tuple[str, ...]
    pins: Pins
    files: str
    settings: str
    identity: str


def inputs_of(project: Project, service: str, tree: Tree, pins: Pins, revision: str) -> Inputs:
    """Return the inputs of a service.

    ``revision`` is the commit; it counts only where the project reuses nothing.

    Raises:
        PreconditionError: the commit lacks one of the paths, or has no content for it.
    """
    table, dockerfile = project.service(service), project.dockerfile(service)
    declared = table.inputs or (table.context,)
    for path in (table.context, *declared):
        _require(tree, service, path)
    for path in (table.context, dockerfile):
        _require_no_link(tree, service, path)
    if (entry := tree.entry(table.context)) and not (entry.is_folder or entry.is_submodule):
        raise PreconditionError(
            f"service {service}: its context {table.context} is a file",
            hint=f"name a folder in tool.buildonce.services.{service}.context",
        )
    visible = _visible(table.context, declared, tree)
    ignore = _ignore_file(tree, table.context, dockerfile)
    needed = tuple(dict.fromkeys([*visible, dockerfile, *ignore]))
    _require_content(tree, service, needed)
    content = tree.content({*declared, *needed})
    files = _hash(content)
    settings = _hash(
        {
            "args": dict(table.args),
            "context": table.context,
            "dockerfile": dockerfile,
            "platform": _one_or_all(project.platforms),
            "secrets": sorted(table.secrets),
            "ssh": sorted(ssh.partition("=")[0] for ssh in table.ssh),
            "target": table.target,
        }
    )
    images = {name: ref.reference for name, ref in pins.images.items()}
    everything: dict[str, Any] = {
        "format": _FORMAT,
        "files": files,
        "visible": [] if visible == (table.context,) else sorted(visible),
        "settings": settings,
        "images": images,
    }
    if not project.reuse:
        everything["revision"] = revision
    return Inputs(
        table.context, dockerfile, visible, needed, tuple(content), pins, files, settings,
        _hash(everything),
    )  # fmt: skip


def _one_or_all(platforms: tuple[str, ...]) -> str | list[str]:
    return platforms[0] if len(platforms) == 1 else sorted(platforms)


def _visible(context: str, declared: tuple[str, ...], tree: Tree) -> tuple[str, ...]:
    """Return what a build sees of its context: the inputs in it, or all where they have it all."""
    if any(is_within(context, path) for path in declared):
        return (context,)
    ignore = _below(context, ".dockerignore")
    inside = [path for path in declared if is_within(path, context)]
    return tuple(dict.fromkeys([*inside, *([ignore] if tree.has(ignore) else [])]))


def _ignore_file(tree: Tree, context: str, dockerfile: str) -> list[str]:
    """Return the ignore file that counts: the Dockerfile's own, or the context's."""
    candidates = (f"{dockerfile}.dockerignore", _below(context, ".dockerignore"))
    return [path for path in candidates if tree.has(path)][:1]


def _require(tree: Tree, service: str, path: str) -> None:
    _require_no_link(tree, service, str(PurePosixPath(path).parent))
    if not tree.has(path):
        remedy = "commit it, or correct"
        if _PATTERN.search(path):
            remedy = "a path is no pattern: name files, and folders for all that is in them, in"
        raise PreconditionError(
            f"service {service}: {path} is not in this commit",
            hint=f"{remedy} tool.buildonce.services.{service}",
        )


def _require_no_link(tree: Tree, service: str, path: str) -> None:
    """Refuse a path that leads through a link, of which git has no content."""
    for place in (PurePosixPath(path), *PurePosixPath(path).parents):
        entry = tree.entry(str(place))
        if entry and entry.is_link:
            raise PreconditionError(
                f"service {service}: {place} is a symbolic link",
                hint=f"name what it leads to, in tool.buildonce.services.{service}",
            )


def _require_content(tree: Tree, service: str, needed: tuple[str, ...]) -> None:
    for path in tree.submodules:
        if any(is_within(path, wanted) for wanted in needed):
            raise PreconditionError(
                f"service {service}: {path} is a git submodule, and a commit has no files of it",
                hint=f"leave it out of tool.buildonce.services.{service}.inputs, or have its files "
                "in this repository (git subtree)",
            )


def is_within(path: str, folder: str) -> bool:
    """Tell whether a path is a folder's, or the folder itself."""
    return folder == "." or PurePosixPath(path).is_relative_to(folder)


def _below(folder: str, name: str) -> str:
    return str(PurePosixPath(folder) / name)


def _hash(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
