"""The sources of a build: the commit's own, exported, and no more of them than each build sees."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from buildonce.build.context import prepare
from buildonce.build.inputs import Inputs
from buildonce.errors import PreconditionError
from buildonce.git import trees
from buildonce.git.repository import Git
from buildonce.git.trees import Tree
from buildonce.plan.steps import Bake

_NOT_FOUND = re.compile(r"\"/?(?P<path>[^\"]+)\": not found")
_POINTER = b"version https://git-lfs.github.com/spec/"
_POINTER_SIZE = 1024


@dataclass(frozen=True)
class Sources:
    """The exported inputs of services: ``contexts`` are the folders that each is built from."""

    tree: Tree
    inputs: Mapping[str, Inputs]
    root: Path
    contexts: Mapping[str, Path]

    @classmethod
    def export(cls, git: Git, step: Bake, folder: Path) -> Sources:
        """Write the inputs of what is built, and nothing else, into a folder.

        Raises:
            PreconditionError: git has written a pointer in the place of a file's content.
        """
        inputs = {name: target.inputs for name, target in step.targets.items()}
        tree = trees.read(git, step.commit.revision)
        needed = dict.fromkeys(path for one in inputs.values() for path in one.needed)
        root = tree.export(git, needed, folder / "tree")
        _require_content(root, tree, needed)
        (folder / "contexts").mkdir()
        contexts = {
            name: prepare(one, tree, root, folder / "contexts" / name)
            for name, one in inputs.items()
        }
        return cls(tree, inputs, root, contexts)

    def explained(self, error: PreconditionError) -> PreconditionError:
        """Return a build's error with a hint where it lacks what its inputs do not declare."""
        missing = _NOT_FOUND.search(error.message)
        for service, path in self._hidden(missing["path"]) if missing else ():
            return PreconditionError(
                f"{error.message}\n{path} is in the commit, and no input of service {service}",
                hint=f'add "{path}" to inputs in [tool.buildonce.services.{service}]',
            )
        return error

    def _hidden(self, path: str) -> Iterator[tuple[str, str]]:
        """Give the services whose context has a path that their build does not see."""
        for service, inputs in self.inputs.items():
            whole = str(PurePosixPath(inputs.context) / path)
            if self.tree.has(whole) and not (self.contexts[service] / path).exists():
                yield service, whole


def _require_content(root: Path, tree: Tree, paths: Mapping[str, None]) -> None:
    """See that no file is a Git LFS pointer, where attributes say that LFS has content."""
    if not any(b"filter=lfs" in path.read_bytes() for path in _attributes(root, tree)):
        return
    for path in (root / name for wanted in paths for name in tree.files(wanted)):
        if path.is_symlink() or path.stat().st_size > _POINTER_SIZE:
            continue
        if path.read_bytes().startswith(_POINTER):
            raise PreconditionError(
                f"{path.relative_to(root)} is in Git LFS, and git wrote a pointer in its place",
                hint="install git-lfs, then: git lfs install, git lfs fetch",
            )


def _attributes(root: Path, tree: Tree) -> list[Path]:
    top = root
    for _ in PurePosixPath(tree.prefix).parts:
        top = top.parent
    return [path for path in top.rglob(trees.ATTRIBUTES) if path.is_file()]
