"""Writes files of commits out as they were committed, whatever this machine's habits are."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from buildonce.errors import PreconditionError
from buildonce.git.process import Process

_AS_COMMITTED = (
    *("-c", "core.autocrlf=false", "-c", "core.eol=lf", "-c", "core.symlinks=true"),
    *("-c", f"core.attributesFile={os.devnull}"),
)
"""Options by which git writes files as the commit says, whatever this machine's habits are."""

_CONVERSIONS = re.compile(
    rb"(?m)^[^#\n]*[ \t][-!]?(?:text|binary|crlf|eol|ident|working-tree-encoding)\b"
)


def write_out(
    git: Process,
    folder: Path,
    *filling: str,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Write the files of an index of its own into a new folder.

    ``filling`` is the git command that fills the index, ``stdin`` what that reads;
    ``environment`` is for git's filters.

    Raises:
        PreconditionError: this clone has rules of its own for the files' bytes.
    """
    asked = git.run("rev-parse", "--absolute-git-dir", "--git-path", "info/attributes")
    repository, attributes = os.fsdecode(asked).splitlines()
    _require_no_conversion(git.root / attributes)
    apart = {
        "GIT_DIR": repository,
        "GIT_WORK_TREE": str(folder),
        "GIT_INDEX_FILE": str(folder.with_name(folder.name + ".index")),
        **(environment or {}),
    }
    folder.mkdir()
    folder.chmod(0o755)
    git.run(*filling, stdin=stdin, environment=apart)
    git.run("-C", str(folder), *_AS_COMMITTED, "checkout-index", "--all", environment=apart)


def _require_no_conversion(attributes: Path) -> None:
    """Refuse a clone's own attributes that change bytes: git has no option that leaves them out."""
    if attributes.is_file() and _CONVERSIONS.search(attributes.read_bytes()):
        raise PreconditionError(
            f"{attributes} changes the bytes of files in this clone alone",
            hint="move its lines into a .gitattributes that is committed, or remove them",
        )
