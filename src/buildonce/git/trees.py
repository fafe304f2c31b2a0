"""A commit's tree: what is in it, and parts of it as files."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, takewhile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from buildonce.git.exports import write_out
from buildonce.git.repository import Git

ATTRIBUTES = ".gitattributes"
_LINK, _SUBMODULE = "120000", "160000"


class Entry(NamedTuple):
    """A file, folder, link or submodule: its mode, and the id of its content."""

    mode: str
    object: str

    @property
    def is_folder(self) -> bool:
        """Whether it has entries of its own."""
        return self.mode == "040000"

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return self.mode == _LINK

    @property
    def is_submodule(self) -> bool:
        """Whether it only names a commit of another repository."""
        return self.mode == _SUBMODULE


@dataclass(frozen=True)
class Tree:
    """What a commit has, by path from the repository's root.

    ``prefix`` is where in it the project's root is, with a ``/`` at its end unless it is empty;
    paths that methods take are relative to the project's root, ``.`` being that itself.
    """

    prefix: str
    entries: Mapping[str, Entry]

    def entry(self, path: str) -> Entry | None:
        """Return what is at a path; None where there is nothing."""
        return self.entries.get(self._full(path))

    def has(self, path: str) -> bool:
        """Tell whether there is anything at a path."""
        return path == "." or self.entry(path) is not None

    def files(self, path: str) -> list[str]:
        """Return the paths of the files at or below a path, relative to the project's root."""
        return [name[len(self.prefix) :] for name in self.below(self._full(path))]

    def below(self, full: str) -> list[str]:
        """Return the files at or below a path; all paths are from the repository's root."""
        first = self._places[full] if full else 0
        found = takewhile(
            lambda name: name == full or not full or name.startswith(f"{full}/"),
            islice(self._names, first, None),
        )
        return [name for name in found if not self.entries[name].is_folder]

    @cached_property
    def submodules(self) -> list[str]:
        """The paths of all submodules, relative to the project's root."""
        return [
            name.removeprefix(self.prefix)
            for name, entry in self.entries.items()
            if entry.is_submodule and name.startswith(self.prefix)
        ]

    @cached_property
    def _names(self) -> list[str]:
        return list(self.entries)

    @cached_property
    def _places(self) -> dict[str, int]:
        """Where each path is among all; git lists what is in a folder right behind it."""
        return {name: place for place, name in enumerate(self._names)}

    def content(self, paths: Collection[str]) -> dict[str, list[str]]:
        """Return what decides the content of these paths, each with its mode and id.

        They are named from the repository's root, not from the project's.

        A folder's id stands for all that is below it. The attributes that apply to a path count
        as well: git writes files as they say.
        """
        wanted = {self._full(path) for path in paths}
        wanted |= {name for name in self._attributes(wanted) if name in self.entries}
        if "" in wanted:
            wanted |= {name for name in self.entries if "/" not in name}
        return {
            name: [self.entries[name].mode, self.entries[name].object]
            for name in sorted(wanted)
            if name in self.entries
        }

    def changed(self, other: Tree, names: Iterable[str]) -> set[str]:
        """Return the files that differ between this tree and another, as ``content`` names them.

        ``names`` are the keys of this tree's ``content``; the other one may lack them.
        """
        files = {
            file
            for name in names
            for tree in (self, other)
            if name in tree.entries
            for file in tree.below(name)
        }
        return {file for file in files if self.entries.get(file) != other.entries.get(file)}

    def export(self, git: Git, paths: Iterable[str], folder: Path) -> Path:
        """Write these paths, and nothing else, into ``folder``; return the project's root in it.

        Files get mode 644 or 755 whatever the umask is, and go through git's own filters
        (line ends, LFS) as that commit's attributes say, not those of the working tree.

        Raises:
            PreconditionError: this clone has rules of its own for the files' bytes.
        """
        files = {self.prefix + name for path in paths for name in self.files(path)}
        files |= {name for name in self._attributes(files) if name in self.entries}
        lines = [
            f"{self.entries[name].mode} {self.entries[name].object}\t{name}\0"
            for name in sorted(files)
        ]
        index = os.fsencode("".join(lines))
        write_out(
            git, folder, "update-index", "-z", "--index-info", stdin=index,
            environment={"GIT_LFS_SKIP_SMUDGE": "0"},
        )  # fmt: skip
        return folder / self.prefix

    def _full(self, path: str) -> str:
        return self.prefix.rstrip("/") if path == "." else self.prefix + path

    @staticmethod
    def _attributes(names: Iterable[str]) -> set[str]:
        """Return where the attributes of files may be: beside them, and in all folders above."""
        return {
            str(folder / ATTRIBUTES) for name in names for folder in PurePosixPath(name).parents
        }


def read(git: Git, revision: str) -> Tree:
    """Return a commit's tree."""
    prefix = git.text("rev-parse", "--show-prefix")
    listed = git.run("ls-tree", "-r", "-t", "-z", "--full-tree", revision)
    entries = {}
    for line in os.fsdecode(listed).split("\0")[:-1]:
        facts, _, path = line.partition("\t")
        mode, _, identifier = facts.split(" ")
        entries[path] = Entry(mode, identifier)
    return Tree(prefix, entries)
