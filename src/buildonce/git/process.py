"""Runs git in a repository's folder. Always arguments, never a shell."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from buildonce.errors import PreconditionError
from buildonce.git.remotes import unreachable
from buildonce.refs import without_users

REMOTE = 120.0
"""Seconds after which a call to a remote has failed."""

_ALWAYS = {
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
}
_OTHER_REPOSITORIES = frozenset(
    f"GIT_{name}"
    for name in (
        *("DIR", "WORK_TREE", "INDEX_FILE", "PREFIX", "OBJECT_DIRECTORY", "COMMON_DIR"),
        *("ALTERNATE_OBJECT_DIRECTORIES", "SHALLOW_FILE", "GRAFT_FILE", "ATTR_SOURCE"),
    )
)
"""Variables by which git, in a hook for example, names a repository: ours is the folder's own."""


class GitError(PreconditionError):
    """A git command failed; ``message`` is what git said."""


@dataclass(frozen=True)
class Process:
    """What runs git, by the folder of a work tree."""

    root: Path

    def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run ``git`` and return what it printed.

        Raises:
            GitError: it ended with another status than 0.
            PreconditionError: there is no git on this machine.
        """
        result = self.attempt(*arguments, stdin=stdin, environment=environment)
        if result.returncode != 0:
            raise GitError(f"git {arguments[0]}: {complaint(result) or result.returncode}")
        return result.stdout

    def attempt(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
        limit: float | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run ``git`` and return its status and output, whatever they are.

        Git itself asks for no user name or password at the terminal: there may be nobody to
        answer. What it starts, as ssh or a credential helper, may still ask.

        Raises:
            PreconditionError: there is no git on this machine.
            subprocess.TimeoutExpired: it did not end within ``limit`` seconds.
        """
        inherited = {
            name: value for name, value in os.environ.items() if name not in _OTHER_REPOSITORIES
        }
        try:
            return subprocess.run(
                ["git", *arguments],
                cwd=self.root,
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                env={**inherited, **_ALWAYS, **(environment or {})},
                umask=0o022,
                timeout=limit,
            )
        except FileNotFoundError:
            raise PreconditionError(
                f"git cannot be run in {self.root}", hint="install git, and run this in a clone"
            ) from None

    def attempt_at(self, remote: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run a ``git`` command that speaks to a remote, like ``attempt``.

        Raises:
            UnavailableError: it did not end in time.
        """
        try:
            return self.attempt(*arguments, limit=REMOTE)
        except subprocess.TimeoutExpired:
            raise unreachable(remote, f"no answer within {REMOTE:.0f} s") from None

    def text(self, *arguments: str) -> str:
        """Run ``git`` and return what it printed as text, without the newline at its end."""
        return self.run(*arguments).decode(errors="replace").rstrip("\n")


def complaint(result: subprocess.CompletedProcess[bytes]) -> str:
    """Return what a ``git`` command said about its failure, without users and passwords."""
    return without_users(result.stderr.decode(errors="replace").strip())
