"""Where one lab keeps its things, and the names that keep it apart from other labs."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
RUN = Path("/run")
PREFIX = "buildonce-lab-"


@dataclass(frozen=True)
class Place:
    """The state directory of a lab; every other name follows from it."""

    state: Path

    @classmethod
    def of(cls, state: str | os.PathLike[str] | None) -> Place:
        """The place for `state`, else for $BUILDONCE_LAB, else for `.lab` in the repository."""
        chosen = state or os.environ.get("BUILDONCE_LAB") or REPOSITORY / ".lab"
        return cls(Path(chosen).resolve())

    @property
    def key(self) -> str:
        """Eight hex digits that tell this lab from the others on the machine."""
        return hashlib.sha256(str(self.state).encode()).hexdigest()[:8]

    @property
    def run(self) -> Path:
        """Sockets and configuration, by a short path."""
        return RUN / f"{PREFIX}{self.key}"

    @property
    def mark(self) -> str:
        """The comment on the lab's packet filter rules."""
        return f"{PREFIX}{self.key}"

    @property
    def record(self) -> Path:
        """What the lab has started and made, as JSON."""
        return self.state / "lab.json"

    @property
    def credentials(self) -> Path:
        """The docker client's configuration directory, where the registry asks for a password."""
        return self.state / "docker"

    def log(self, daemon: str) -> Path:
        """The log of one daemon."""
        return self.state / "log" / f"{daemon}.log"

    def interface(self, part: str) -> str:
        """The name of a network interface or namespace (at most 15 bytes)."""
        return f"bo{self.key}{part}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold off other commands on this lab; on the parent directory, so that no file stays."""
        with locked(self.state.parent):
            yield


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a directory, which is made if need be."""
    directory.mkdir(parents=True, exist_ok=True)
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def cache() -> Path:
    """Where image layers and package lists outlive a lab: $BUILDONCE_LAB_CACHE or `.lab-cache`."""
    return Path(os.environ.get("BUILDONCE_LAB_CACHE") or REPOSITORY / ".lab-cache").resolve()
