"""Reads a repository that may have no commit and no configuration yet."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath

from buildonce.git.repository import Git

GLOB = re.compile(r"[*?\[]")
"""What makes a pattern of a path."""

_OF_CI = {
    ".github/workflows/": "GitHub Actions",
    ".gitlab-ci.yml": "GitLab CI",
    "Jenkinsfile": "Jenkins",
    ".circleci/": "CircleCI",
}


@dataclass(frozen=True)
class Survey:
    """The files that git knows or would add, by path, and where the repository is hosted.

    ``files`` are paths relative to the root; ``address`` is the remote's web address, or empty.
    """

    root: Path
    files: tuple[str, ...]
    remote: str = ""
    address: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the project is called: as its remote, or its folder."""
        return self.address.rpartition("/")[2] or self.root.name

    @cached_property
    def _paths(self) -> frozenset[str]:
        """Every file, and every folder that has one."""
        folders = (str(folder) for file in self.files for folder in PurePosixPath(file).parents)
        return frozenset(self.files).union(folders)

    @property
    def ci(self) -> str:
        """The CI system whose files are there; empty without."""
        systems = (
            system
            for place, system in _OF_CI.items()
            if any(path == place or path.startswith(place) for path in self.files)
        )
        return next(systems, "")

    def text(self, path: str) -> str:
        """Return a file's text."""
        if path in self.texts:
            return self.texts[path]
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    def whatever(self, path: str) -> str:
        """Return the text of a file that git may not have; empty where there is none."""
        try:
            return self.text(path)
        except OSError:
            return ""

    def is_executable(self, path: str) -> bool:
        """Tell whether a file can be run."""
        return os.access(self.root / path, os.X_OK)

    def named(self, *patterns: str) -> list[str]:
        """Return the files whose name fits a pattern, those nearest to the root first."""
        found = [
            path
            for path in self.files
            if any(fnmatchcase(PurePosixPath(path).name, pattern) for pattern in patterns)
        ]
        return sorted(found, key=lambda path: (path.count("/"), path))

    def has(self, path: str) -> bool:
        """Tell whether there is such a file, or a folder with something in it."""
        wanted = normal(path)
        return wanted == "." or wanted in self._paths

    def matching(self, pattern: str) -> list[str]:
        """Return the files and folders that a pattern of COPY names, ``*`` within a component."""
        if not GLOB.search(pattern):
            return [normal(pattern)] if self.has(pattern) else []
        wanted = PurePosixPath(normal(pattern)).parts
        found = {
            "/".join(parts[: len(wanted)])
            for parts in (PurePosixPath(file).parts for file in self.files)
            if len(parts) >= len(wanted)
            and all(map(fnmatchcase, parts[: len(wanted)], wanted))
        }  # fmt: skip
        return sorted(found)


def survey(git: Git) -> Survey:
    """Look at the repository.

    Raises:
        PreconditionError: it is none, or git may not use it.
    """
    remotes = git.remotes()
    remote = "origin" if "origin" in remotes else next(iter(remotes), "")
    listed = git.text("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".")
    files = sorted({path for path in listed.split("\0") if path and (git.root / path).is_file()})
    address = git.source_url(remote) if remote else None
    return Survey(git.root, tuple(files), remote, address or "")


def normal(path: str) -> str:
    """Return a path of a Dockerfile or Compose file without ``./``, ``..`` and slashes around.

    One that leaves the repository begins with ``..``.
    """
    parts: list[str] = []
    for part in PurePosixPath(path.strip("/") or ".").parts:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts) or "."


def below(folder: str, path: str) -> str:
    """Return a path that is relative to a folder as one relative to the root."""
    return normal(path if folder == "." else f"{folder}/{path.strip('/')}")
