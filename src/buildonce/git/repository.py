"""The project's git repository: commits and their trees. Always arguments, never a shell."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from buildonce import ci
from buildonce.errors import PreconditionError
from buildonce.git.remotes import unreachable, web_address
from buildonce.refs import without_users

REMOTE = 120.0
"""Seconds after which a call to a remote has failed."""

_FIELDS = ("%H", "%ct", "%s", "%an")
_AS_COMMITTED = (
    *("-c", "core.autocrlf=false", "-c", "core.eol=lf", "-c", "core.symlinks=true"),
    *("-c", f"core.attributesFile={os.devnull}"),
)
"""Options by which git writes files as the commit says, whatever this machine's habits are."""

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

_CONVERSIONS = re.compile(
    rb"(?m)^[^#\n]*[ \t][-!]?(?:text|binary|crlf|eol|ident|working-tree-encoding)\b"
)
_COMMIT = ("--no-show-signature", "-z", f"--format={'%x00'.join(_FIELDS)}")


class GitError(PreconditionError):
    """A git command failed; ``message`` is what git said."""


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

    def files(self, revision: str, paths: Sequence[str]) -> list[bytes | None]:
        """Return the content of a commit's files, None where there is none, in one process.

        ``paths`` are relative to the project's root; links inside the repository are followed.
        """
        return self.blobs([f"{revision}:./{path}" for path in paths], "--follow-symlinks")

    def blobs(self, names: Sequence[str], *options: str) -> list[bytes | None]:
        """Return the content of each ``COMMIT:PATH``, None where there is none, in one process."""
        if not names:
            return []
        asked = "".join(f"{name}\n" for name in names).encode()
        answer = self.run("cat-file", "--batch", *options, stdin=asked)
        contents: list[bytes | None] = []
        position = 0
        for _ in names:
            end = answer.index(b"\n", position)
            header, position = answer[position:end], end + 1
            if header.endswith(b" missing"):
                contents.append(None)
                continue
            kind, size = header.split(b" ")[-2], int(header.rsplit(b" ", 1)[1])
            content = answer[position : position + size]
            contents.append(content if kind == b"blob" else None)
            position += size + 1
        return contents

    def commit(self, name: str = "HEAD") -> Commit:
        """Return the commit that ``name`` stands for.

        Raises:
            PreconditionError: this is no repository, or it has no such commit.
        """
        (found,) = self._log(name, "-1", "--end-of-options", f"{name}^{{commit}}", "--")
        return found

    def commits(self, old: str, new: str) -> list[Commit]:
        """Return the commits of ``new`` that ``old`` does not have, the newest first.

        Raises:
            PreconditionError: one of the two is not in this clone.
        """
        return self._log(new, "--end-of-options", f"{old}..{new}", "--")

    def touched(self, revisions: Sequence[str]) -> dict[str, list[str]]:
        """Return the paths that each commit changes, relative to the project's root.

        Of a merge, they are those that are as in none of its parents.
        """
        listed = self.run(
            *("diff-tree", "--stdin", "-z", "-r", "-c", "--root", "--relative"),
            *("--no-renames", "--name-only"),
            stdin="".join(f"{revision}\n" for revision in revisions).encode(),
        )
        found: dict[str, list[str]] = {revision: [] for revision in revisions}
        paths: list[str] = []
        for entry in filter(None, os.fsdecode(listed).split("\0")):
            if entry in found:
                paths = found[entry]
            else:
                paths.append(entry)
        return found

    def _log(self, name: str, *arguments: str) -> list[Commit]:
        try:
            fields = self.text("log", *_COMMIT, *arguments).split("\0")
        except GitError as error:
            raise self._unusable(error) or self._no_commit(name) from None
        rows = zip(*[iter(fields)] * len(_FIELDS), strict=False)
        return [Commit(revision, int(time), *names) for revision, time, *names in rows]

    def is_on(self, revision: str, branches: Sequence[str], remote: str) -> bool | None:
        """Tell whether one of ``branches`` contains a commit; None where that cannot be told.

        Where there is a remote, its branches as last fetched count, not this clone's own.
        """
        if not branches:
            return None
        place = f"refs/remotes/{remote}" if self.has_remote(remote) else "refs/heads"
        answers = [
            self.attempt("merge-base", "--is-ancestor", revision, f"{place}/{branch}").returncode
            for branch in branches
        ]
        if 0 in answers:
            return True
        unknown = any(answer != 1 for answer in answers) or self.is_shallow()
        return None if unknown else False

    def is_ancestor(self, old: str, new: str) -> bool | None:
        """Tell whether a commit is an ancestor of another, or the same; None if unknown here."""
        code = self.attempt("merge-base", "--is-ancestor", old, new).returncode
        if code == 0:
            return True
        return None if code != 1 or self.is_shallow() else False

    def _unusable(self, error: GitError) -> PreconditionError | None:
        if "not a git repository" in error.message:
            return PreconditionError(
                f"{self.root} is not in a git repository", hint="git init, and commit something"
            )
        if "dubious ownership" in error.message:
            return PreconditionError(
                error.message.partition("\n")[0],
                hint=f"if you trust it: git config --global --add safe.directory {self.root}",
            )
        return None

    def _no_commit(self, name: str) -> PreconditionError:
        if not self.attempt("rev-list", "-1", "--all").stdout:
            return PreconditionError(
                f"the git repository in {self.root} has no commit yet",
                hint='git add --all, then git commit -m "Begin"',
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
        (line ends, LFS) as that commit's attributes say, not those of the working tree.
        """
        self.write_out(folder, "read-tree", revision)
        return folder / os.fsdecode(self.run("rev-parse", "--show-prefix")).rstrip("\n")

    def write_out(
        self,
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
        asked = self.run("rev-parse", "--absolute-git-dir", "--git-path", "info/attributes")
        repository, attributes = os.fsdecode(asked).splitlines()
        _require_no_conversion(self.root / attributes)
        apart = {
            "GIT_DIR": repository,
            "GIT_WORK_TREE": str(folder),
            "GIT_INDEX_FILE": str(folder.with_name(folder.name + ".index")),
            **(environment or {}),
        }
        folder.mkdir()
        folder.chmod(0o755)
        self.run(*filling, stdin=stdin, environment=apart)
        self.run("-C", str(folder), *_AS_COMMITTED, "checkout-index", "--all", environment=apart)

    def find_variable(self, revision: str, name: str) -> str:
        """Return where a commit's YAML files use a variable, as ``file:line``; empty if nowhere."""
        whole = rf"{name}([^A-Za-z0-9_]|$)"
        pattern = rf"\$(\{{{whole}|{whole})|environment: *[\"']?{whole}"
        found = self.attempt(
            "grep", "-n", "-E", "--full-name", pattern, revision, "--", ":/*.yml", ":/*.yaml"
        )
        first = found.stdout.decode(errors="replace").partition("\n")[0]
        return ":".join(first.split(":")[1:3])

    def ancestors(self, revision: str, most: int) -> list[str]:
        """Return the full ids of the commits before one, the nearest first, as far as known."""
        return self.text("rev-list", f"--max-count={most + 1}", revision).split()[1:]

    def has_commit(self, revision: str) -> bool:
        """Tell whether this clone has a commit."""
        return self.attempt("cat-file", "-e", f"{revision}^{{commit}}").returncode == 0

    def fetch_commit(self, revision: str, remote: str) -> None:
        """Try to get one commit that a shallow clone does not have; no ref is moved."""
        extent = ["--depth=1"] if self.is_shallow() else []
        self.attempt_at(
            remote, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--refmap=", *extent,
            remote, revision,
        )  # fmt: skip

    def show(self, revision: str, path: str) -> str:
        """Return a file of a commit; ``path`` is relative to the project's root.

        Raises:
            GitError: there is no such commit in this clone, or no such file in it.
        """
        return self.run("show", "--end-of-options", f"{revision}:./{path}").decode(errors="replace")

    def is_shallow(self) -> bool:
        """Tell whether history is cut off in this clone."""
        return self.attempt("rev-parse", "--is-shallow-repository").stdout.strip() == b"true"

    def has_changes(self) -> bool:
        """Tell whether anything differs from HEAD: modified, staged or not tracked."""
        return bool(self.run("status", "--porcelain", "--no-renames", "--untracked-files=normal"))

    def remotes(self) -> list[str]:
        """Return the names of all remotes.

        Raises:
            PreconditionError: this is no repository, or git may not use it.
        """
        try:
            return self.text("remote").split()
        except GitError as error:
            raise self._unusable(error) or error from None

    def has_remote(self, remote: str) -> bool:
        """Tell whether there is a remote of that name."""
        return bool(self._remote_url(remote))

    def source_url(self, remote: str) -> str | None:
        """Return the web address of a remote, without credentials; None for a local path."""
        return web_address(self._remote_url(remote))

    def _remote_url(self, remote: str) -> str:
        return self.attempt("config", "--get", f"remote.{remote}.url").stdout.decode().strip()

    def identity(self) -> str:
        """Return ``name <email>`` of who is acting: who triggered the CI run, or git's user."""
        return ci.actor(os.environ) or self._user

    @cached_property
    def _user(self) -> str:
        known = self.attempt("var", "GIT_COMMITTER_IDENT")
        if known.returncode == 0:
            return known.stdout.decode(errors="replace").rsplit(" ", 2)[0]
        user = os.environ.get("USER") or "unknown"
        return f"{user} <{user}@localhost>"


def _require_no_conversion(attributes: Path) -> None:
    """Refuse a clone's own attributes that change bytes: git has no option that leaves them out."""
    if attributes.is_file() and _CONVERSIONS.search(attributes.read_bytes()):
        raise PreconditionError(
            f"{attributes} changes the bytes of files in this clone alone",
            hint="move its lines into a .gitattributes that is committed, or remove them",
        )


def complaint(result: subprocess.CompletedProcess[bytes]) -> str:
    """Return what a ``git`` command said about its failure, without users and passwords."""
    return without_users(result.stderr.decode(errors="replace").strip())


def trailers(values: Sequence[tuple[str, str]]) -> str:
    """Return git trailers, one a line; line breaks inside a value become spaces."""
    return "\n".join(f"{key}: {' '.join(value.split())}" for key, value in values)
