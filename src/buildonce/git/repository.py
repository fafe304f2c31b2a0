"""The project's git repository: commits, their files and history, remotes, who is acting."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from buildonce import ci
from buildonce.errors import PreconditionError
from buildonce.git.exports import write_out
from buildonce.git.process import GitError, Process
from buildonce.git.remotes import web_address

_FIELDS = ("%H", "%ct", "%s", "%an")
_COMMIT = ("--no-show-signature", "-z", f"--format={'%x00'.join(_FIELDS)}")


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


class Git(Process):
    """A git repository: its commits, and what this clone knows of them."""

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
        write_out(self, folder, "read-tree", revision)
        return folder / os.fsdecode(self.run("rev-parse", "--show-prefix")).rstrip("\n")

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


def trailers(values: Sequence[tuple[str, str]]) -> str:
    """Return git trailers, one a line; line breaks inside a value become spaces."""
    return "\n".join(f"{key}: {' '.join(value.split())}" for key, value in values)
