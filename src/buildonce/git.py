"""The project's git repository: commits and their trees. Always arguments, never a shell."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildonce.errors import BuildonceError, PreconditionError, UnavailableError

_WEB_ADDRESS = re.compile(r"https?://(?:[^@/]*@)?(?P<place>[^/]+/.+?)(?:\.git)?/?$")
_SSH_ADDRESS = re.compile(r"(?:ssh://)?git@(?P<place>[^:/]+[:/].+?)(?:\.git)?/?$")


_FIELD = "\x1f"
_COMMIT = ("--no-show-signature", f"--format=%H{_FIELD}%ct{_FIELD}%s{_FIELD}%an")


class GitError(BuildonceError):
    """A git command failed; ``message`` is what git said."""

    exit_code = 3


@dataclass(frozen=True)
class Commit:
    """A commit, as far as releases need it. ``time`` is its committer's, in seconds (Unix)."""

    revision: str
    time: int
    subject: str
    author: str

    def sha(self, length: int) -> str:
        """Return the short form at a fixed length."""
        return self.revision[:length]


@dataclass(frozen=True)
class Git:
    """A git repository, by its work tree's folder."""

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
            said = result.stderr.decode(errors="replace").strip()
            raise GitError(f"git {arguments[0]}: {said or f'exit {result.returncode}'}")
        return result.stdout

    def attempt(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run ``git`` and return its status and output, whatever they are.

        It never asks for credentials: there may be nobody to answer.
        """
        fixed = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        try:
            return subprocess.run(
                ["git", *arguments],
                cwd=self.root,
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                env={**os.environ, **fixed, **(environment or {})},
                umask=0o022,
            )
        except FileNotFoundError:
            raise PreconditionError(
                f"git cannot be run in {self.root}", hint="install git, and run this in a clone"
            ) from None

    def text(self, *arguments: str) -> str:
        """Run ``git`` and return what it printed as text, without the newline at its end."""
        return self.run(*arguments).decode(errors="replace").rstrip("\n")

    def commit(self, name: str = "HEAD") -> Commit:
        """Return the commit that ``name`` stands for.

        Raises:
            PreconditionError: this is no repository, or it has no such commit.
        """
        try:
            shown = self.text("log", "-1", *_COMMIT, "--end-of-options", f"{name}^{{commit}}", "--")
        except GitError as error:
            raise self._no_commit(name, error) from None
        return _commit(shown)

    def commits(self, old: str, new: str, paths: Sequence[str] = ()) -> list[Commit]:
        """Return the commits of ``new`` that ``old`` does not have, the newest first.

        With ``paths`` (relative to the project's root), only those that touch one of them.

        Raises:
            PreconditionError: one of the two is not in this clone.
        """
        try:
            shown = self.text("log", *_COMMIT, "--end-of-options", f"{old}..{new}", "--", *paths)
        except GitError as error:
            raise self._no_commit(new, error) from None
        return [_commit(line) for line in shown.splitlines()]

    def is_on(self, revision: str, branches: Sequence[str], remote: str) -> bool | None:
        """Tell whether one of ``branches`` contains a commit; None where that cannot be told.

        Where there is a remote, its branches as last fetched count, not this clone's own.
        """
        place = f"refs/remotes/{remote}" if self.has_remote(remote) else "refs/heads"
        answers = [
            self.attempt("merge-base", "--is-ancestor", revision, f"{place}/{branch}").returncode
            for branch in branches
        ]
        if 0 in answers:
            return True
        unknown = any(answer != 1 for answer in answers) or self.is_shallow()
        return None if unknown else False

    def _no_commit(self, name: str, error: GitError) -> PreconditionError:
        if "not a git repository" in error.message:
            return PreconditionError(
                f"{self.root} is not in a git repository", hint="git init, and commit something"
            )
        if self.is_shallow():
            hint = "this clone is shallow: git fetch --unshallow"
        else:
            hint = "git fetch, then check the name with: git log --oneline -3 " + name
        return PreconditionError(f"there is no commit {name!r} in {self.root}", hint=hint)

    def export(self, revision: str, folder: Path) -> Path:
        """Write a commit's tree, and nothing else, into ``folder``.

        Returns where in it the project's root is: a repository can hold more than the project.

        Files get mode 644 or 755 whatever the umask is, and go through git's own filters
        (line ends, LFS) as in a checkout.
        """
        index = {"GIT_INDEX_FILE": str(folder.with_name(folder.name + ".index"))}
        self.run("read-tree", revision, environment=index)
        prefix = f"--prefix={folder}/"
        top, below = self.run("rev-parse", "--show-toplevel", "--show-prefix").decode().splitlines()
        self.run("-C", top, "checkout-index", "--all", prefix, environment=index)
        return folder / below

    def show(self, revision: str, path: str) -> str:
        """Return a file of a commit; ``path`` is relative to the project's root.

        Raises:
            GitError: there is no such commit in this clone, or no such file in it.
        """
        return self.run("show", "--end-of-options", f"{revision}:./{path}").decode()

    def is_shallow(self) -> bool:
        """Tell whether history is cut off in this clone."""
        return self.attempt("rev-parse", "--is-shallow-repository").stdout.strip() == b"true"

    def has_changes(self) -> bool:
        """Tell whether anything differs from HEAD: modified, staged or not tracked."""
        return bool(self.run("status", "--porcelain", "--no-renames"))

    def has_remote(self, remote: str) -> bool:
        """Tell whether there is a remote of that name."""
        return bool(self._remote_url(remote))

    def source_url(self, remote: str) -> str | None:
        """Return the web address of a remote, without credentials; None for a local path."""
        url = self._remote_url(remote)
        match = _WEB_ADDRESS.match(url) or _SSH_ADDRESS.match(url)
        return f"https://{match['place'].replace(':', '/')}" if match else None

    def _remote_url(self, remote: str) -> str:
        return self.attempt("config", "--get", f"remote.{remote}.url").stdout.decode().strip()

    def identity(self) -> str:
        """Return who is acting here: ``name <email>``, from git or the CI's variables."""
        actor = os.environ.get("GITHUB_ACTOR")
        if actor:
            return f"{actor} <{actor}@users.noreply.github.com>"
        known = self.attempt("var", "GIT_COMMITTER_IDENT")
        if known.returncode == 0:
            return known.stdout.decode(errors="replace").rsplit(" ", 2)[0]
        user = os.environ.get("USER") or "unknown"
        return f"{user} <{user}@localhost>"


def _commit(shown: str) -> Commit:
    revision, time, subject, author = shown.split(_FIELD)
    return Commit(revision, int(time), subject, author)


def trailers(values: Sequence[tuple[str, str]]) -> str:
    """Return git trailers, one a line; line breaks inside a value become spaces."""
    return "\n".join(f"{key}: {' '.join(value.split())}" for key, value in values)


def unreachable(remote: str, said: str) -> UnavailableError:
    """Return the error for a remote that did not answer or refused."""
    return UnavailableError(
        f"the git remote {remote!r} refused or did not answer: {said}",
        hint=f"git ls-remote {remote}",
    )
