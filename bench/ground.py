"""Where it is measured: a registry that stays, and runners that are new for each job.

A hosted runner starts with neither a base image nor a build cache. Emptying an engine is not
the same, so each job gets an engine that was made for it: a lab of its own, of which only the
engine is used. The registry belongs to another lab and keeps what was pushed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import lab
from demo.scratch import Scratch, git

from .measure import Engine, Sample, run

TOOLS = Path(sys.executable).parent


@dataclass
class Ground:
    """A scratch clone, a registry and the runner of the present job."""

    folder: Path
    scratch: Scratch
    registry: lab.Lab
    runner: lab.Lab = field(init=False)
    images: str = ""
    changes: int = 0

    def renew_runner(self) -> None:
        """Replace the runner by one that has never seen an image.

        Raises:
            LabError: this machine's own engine would be used; it is not ours to replace.
        """
        lab.down(state=self._runner_state)
        with redirect_stderr(StringIO()):
            self.runner = lab.up(state=self._runner_state)
        if self.runner.docker_host == self.registry.docker_host:
            raise lab.LabError(
                "the bench replaces engines, and the lab would use this machine's own; "
                "run it where no engine answers (unset DOCKER_HOST, stop Docker)"
            )

    def change(self, path: str) -> None:
        """Add one line to a file of the clone and commit that."""
        self.changes += 1
        with (self.scratch.clone / path).open("a", encoding="utf-8") as file:
            file.write(f"CHANGE = {self.changes}\n")
        git(self.scratch.clone, "commit", "--quiet", "--all", f"--message=Change {self.changes}")

    def measure(self, *argv: str) -> Sample:
        """Run a command in the clone, on the present runner."""
        return run(argv, cwd=self.scratch.clone, env=self.environment(), engine=self._engine())

    def inv(self, *arguments: str) -> Sample:
        """Run one of the project's tasks."""
        return self.measure(str(TOOLS / "inv"), *arguments)

    def environment(self) -> dict[str, str]:
        """The runner's engine, the other lab's registry, and this round's own repositories."""
        return {
            **os.environ,
            **self.registry.environ(),
            "DOCKER_HOST": self.runner.docker_host,
            "TMPDIR": str(self.folder),
            "BUILDX_CONFIG": str(self.folder / "buildx"),
            "BUILDX_BAKE_ENTITLEMENTS_FS": "0",
            "INVOKE_BUILDONCE_IMAGE": self.images,
        }

    def _engine(self) -> Engine:
        (pid,) = (part.pid for part in lab.status(self._runner_state) if part.name == "engine")
        assert pid is not None
        return Engine(pid)

    @property
    def _runner_state(self) -> Path:
        return self.folder / "runner"


@contextmanager
def prepared(folder: Path) -> Iterator[Ground]:
    """Have a ground, and leave nothing of it."""
    registry = folder / "registry"
    with lab.guarded(registry), lab.guarded(folder / "runner"):
        yield Ground(folder, Scratch.make(folder), registry=lab.up(state=registry))
