"""The sources of a build: the commit's own, exported, and no more of them than each build sees."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from buildonce.adopt.contexts import sources
from buildonce.adopt.survey import GLOB, Survey, below
from buildonce.build.context import prepare
from buildonce.build.inputs import Inputs
from buildonce.errors import PreconditionError
from buildonce.git import trees
from buildonce.git.repository import Git
from buildonce.git.trees import Tree
from buildonce.plan.steps import Bake

_NOT_FOUND = re.compile(
    r"(?:target (?P<target>[\w-]+): )?failed to solve: .*\"/?(?P<path>[^\"]+)\": not found"
)
"""What BuildKit says of a path that a context lacks; of several targets, Buildx names the one."""

_DENIED = "denied by policy"
_NAME_IT = (
    "an image that its Dockerfile does not name, as of a base's ONBUILD, is not taken: "
    "name it there, RUN --mount=from=IMAGE,target=/any true"
)
_STAND_INS = {
    b"version https://git-lfs.github.com/spec/": (
        "is in Git LFS, and git wrote a pointer in its place",
        "install git-lfs, then: git lfs install, git lfs fetch",
    ),
    b"\0GITCRYPT\0": (
        "is encrypted by git-crypt, and this clone has no key",
        "git-crypt unlock; or leave it out of the inputs",
    ),
}
"""What files begin with in the place of their content, and what is said then."""


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
            PreconditionError: git has written something else than a file's content, or a COPY
                would miss what the commit has.
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
        for name, one in inputs.items():
            _require_matches(name, one, tree, root)
        return cls(tree, inputs, root, contexts)

    def explained(self, error: PreconditionError) -> PreconditionError:
        """Return a build's error with a hint where it takes what nobody declared."""
        if _DENIED in error.message:
            return PreconditionError(error.message, hint=_NAME_IT)
        missing = _NOT_FOUND.search(error.message)
        if missing is None:
            return error
        service = missing["target"] or next(iter(self.inputs))
        path = self._hidden(service, missing["path"])
        if path:
            return _undeclared(service, path, f"{error.message}\n{path} is in the commit")
        return self._outside(service, missing["path"], error) or error

    def _outside(
        self, service: str, path: str, error: PreconditionError
    ) -> PreconditionError | None:
        """Return the error for a path that is in the commit and in no part of the context."""
        context = self.inputs[service].context
        if self.tree.has(below(context, path)) or not self.tree.has(path):
            return None
        return PreconditionError(
            f"{error.message}\n{path} is in the commit, outside the context of service {service}",
            hint=f'set context = "." and inputs = ["{context}", "{path}"] in '
            f"[tool.buildonce.services.{service}], and name paths from the root in "
            f"{self.inputs[service].dockerfile}",
        )

    def _hidden(self, service: str, path: str) -> str | None:
        """Return a path of a context that the commit has and the service's build does not see.

        Where links lead to it, the path is that of what is missing at their end.
        """
        context = self.contexts[service].resolve()
        place = (context / path).resolve()
        if place.exists() or not place.is_relative_to(context):
            return None
        inside = place.relative_to(context).as_posix()
        whole = str(PurePosixPath(self.inputs[service].context) / inside)
        return whole if self.tree.has(whole) else None


def _undeclared(service: str, path: str, what: str) -> PreconditionError:
    return PreconditionError(
        f"{what}, and no input of service {service}",
        hint=f'add "{path}" to inputs in [tool.buildonce.services.{service}]',
    )


def _require_matches(service: str, inputs: Inputs, tree: Tree, root: Path) -> None:
    """See that each pattern of COPY that fits something in the commit fits an input.

    BuildKit copies nothing, without a word, for a pattern that fits nothing.
    """
    dockerfile = (root / inputs.dockerfile).read_text(encoding="utf-8", errors="replace")
    patterns = [source for source in sources(dockerfile) if GLOB.search(source)]
    if not patterns:
        return
    visible = [path for one in inputs.visible for path in tree.files(one)]
    seen = _survey(root, inputs.context, visible)
    whole = _survey(root, inputs.context, tree.files(inputs.context))
    for pattern in patterns:
        found = whole.matching(pattern)
        if found and not seen.matching(pattern):
            path = below(inputs.context, found[0])
            raise _undeclared(
                service, path, f"{inputs.dockerfile} copies {pattern}: {path} is in the commit"
            )


def _survey(root: Path, context: str, paths: Iterable[str]) -> Survey:
    return Survey(root, tuple(str(PurePosixPath(path).relative_to(context)) for path in paths))


def _require_content(root: Path, tree: Tree, paths: Mapping[str, None]) -> None:
    """See that no file only stands in for its content, where attributes name a filter of git."""
    if not any(b"filter=" in path.read_bytes() for path in _attributes(root, tree)):
        return
    for path in (root / name for wanted in paths for name in tree.files(wanted)):
        if path.is_symlink():
            continue
        with path.open("rb") as file:
            head = file.read(64)
        for begins, (what, hint) in _STAND_INS.items():
            if head.startswith(begins):
                raise PreconditionError(f"{path.relative_to(root)} {what}", hint=hint)


def _attributes(root: Path, tree: Tree) -> list[Path]:
    top = root
    for _ in PurePosixPath(tree.prefix).parts:
        top = top.parent
    return [path for path in top.rglob(trees.ATTRIBUTES) if path.is_file()]
