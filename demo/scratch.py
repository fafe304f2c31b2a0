"""A clone of this repository to play in, with a bare origin of its own."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHA_LENGTH = 12


@dataclass(frozen=True)
class Scratch:
    """A clone at ROOT's HEAD, on `main`, and `origin.git` beside it; both go with their folder."""

    clone: Path

    @classmethod
    def make(cls, folder: Path) -> Scratch:
        """Clone HEAD as it was committed, from a shallow or detached checkout too.

        Raises:
            subprocess.CalledProcessError: git failed; it has said why.
        """
        origin, clone = folder / "origin.git", folder / "clone"
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
        git(origin, "config", "receive.shallowUpdate", "true")
        git(ROOT, "push", "--quiet", str(origin), "HEAD:refs/heads/main")
        git(folder, "clone", "--quiet", f"file://{origin}", str(clone))
        settings = {"user.name": "demo", "user.email": "demo@localhost", "commit.gpgSign": "false"}
        for name, value in settings.items():
            git(clone, "config", name, value)
        return cls(clone)

    @property
    def sha(self) -> str:
        """The tag of the present commit."""
        return git(self.clone, "rev-parse", "HEAD")[:SHA_LENGTH]

    def since(self, first: str) -> list[str]:
        """The tags of a commit and all that followed it, the oldest first."""
        later = git(self.clone, "rev-list", "--reverse", f"{first}..HEAD").split()
        return [first, *(revision[:SHA_LENGTH] for revision in later)]

    def edit(self, path: str, before: str, after: str) -> None:
        """Replace the one occurrence of `before` in a file.

        Raises:
            ValueError: it does not occur exactly once.
        """
        file = self.clone / path
        content = file.read_text(encoding="utf-8")
        if content.count(before) != 1:
            raise ValueError(f"{path} has {content.count(before)} times {before!r}, not once")
        file.write_text(content.replace(before, after), encoding="utf-8")


def is_dirty() -> bool:
    """Whether ROOT has changes that its HEAD does not have."""
    return bool(git(ROOT, "status", "--porcelain"))


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and return what it printed; its complaints stay visible."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip()
