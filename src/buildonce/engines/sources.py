"""A commit's Compose or stack files, and their environment files, as Compose reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildonce.engines.composefile import AS_WRITTEN, names_in
from buildonce.engines.docker import Docker, Refused
from buildonce.errors import UsageError

_ASSIGNED = re.compile(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*[=:]", re.MULTILINE)
_SINGLE_QUOTED = re.compile(r"'[^']*'")


@dataclass(frozen=True)
class Sources:
    """The deployment files in an export of a commit.

    ``root`` is the project's root there, ``files`` are relative to it; relative paths in them
    begin at the first one's folder.
    """

    docker: Docker
    root: Path
    files: Sequence[str]

    @property
    def folder(self) -> Path:
        """Where relative paths begin."""
        return (self.root / self.files[0]).parent

    def file(self, name: str) -> Path | None:
        """Return a file that these refer to; None where the commit has none of that name.

        A path that leads out of the export is some file of this machine's, and of no commit.
        """
        path = self.folder / name
        is_inside = path.resolve().is_relative_to(self.root.resolve())
        return path if is_inside and path.is_file() else None

    def read(self) -> dict[str, Any]:
        """Return what the files say, variables as they are written, deployable or not.

        Raises:
            UsageError: they cannot be read as Compose files.
        """
        files = [word for file in self.files for word in ("--file", str(self.root / file))]
        for file in self.files:
            if not (self.root / file).is_file():
                raise UsageError(
                    f"{file} is not in this commit",
                    hint="commit it, or correct `file` of the environment",
                )
        place = ("--project-directory", str(self.folder))
        return self._config(self.files[0], *files, *place, options=AS_WRITTEN)

    def variables(self, path: Path) -> dict[str, Any]:
        """Return the variables of an environment file as Compose reads them, ``$`` doubled.

        Raises:
            UsageError: it cannot be read, or uses a variable that it does not set.
        """
        self._require_no_foreign_variable(path)
        one = {"services": {"x": {"image": "x", "env_file": [str(path)]}}}
        read = self._config(self._relative(path), "--file", "-", text=json.dumps(one))
        found = read["services"]["x"].get("environment") or {}
        return {key: value if value is None else str(value) for key, value in found.items()}

    def dotenv(self) -> dict[str, str]:
        """Return the variables of the ``.env`` file beside the first file, if it is committed.

        Raises:
            UsageError: it cannot be read.
        """
        path = self.folder / ".env"
        if not path.is_file():
            return {}
        return {key: value or "" for key, value in self.variables(path).items()}

    def values(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the variables' values: those given, and of the rest what a committed ``.env`` has.

        Raises:
            UsageError: that file cannot be read.
        """
        return {**self.dotenv(), **given}

    def _config(
        self, name: str, *words: str, text: str = "", options: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Return what ``docker compose config`` reads, with nothing of this process's environment.

        Raises:
            UsageError: it is refused; ``name`` is the file that this is about.
        """
        try:
            return self.docker.config(*words, options=options, text=text, isolated=True)
        except Refused as refused:
            raise UsageError(
                f"{name} cannot be used: {refused.complaint.replace(f'{self.root}/', '')}",
                hint="correct the file and commit it",
            ) from None

    def _require_no_foreign_variable(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8", errors="replace")
        own = set(_ASSIGNED.findall(text))
        for number, line in enumerate(text.splitlines(), 1):
            if line.lstrip().startswith("#"):
                continue
            for name in names_in(_SINGLE_QUOTED.sub("", line)):
                if name not in own:
                    raise UsageError(
                        f"{self._relative(path)}:{number} uses ${{{name}}}, which it does not set",
                        hint="set that variable under the service's `environment`, where the "
                        "values of the environment are filled in",
                    )

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self.root)) if self.root in path.parents else str(path)
