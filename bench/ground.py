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
from demo.scratch import SHA_LENGTH, git

from .measure import Engine, Sample, run

TOOLS = Path(sys.executable).parent


@dataclass
class Ground:
    """A registry, and the runner of the present job."""

    folder: Path
    registry: lab.Lab
    runner: lab.Lab = field(init=False)

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

    def writes(self, namespace: str, tag: str) -> dict[Path, int]:
        """Return when a tag was last written in each repository of the registry's storage."""
        repositories = self.registry.state / "registry/docker/registry/v2/repositories" / namespace
        links = repositories.glob(f"*/_manifests/tags/{tag}/current/link")
        return {link: link.stat().st_mtime_ns for link in links}

    def environment(self) -> dict[str, str]:
        """The runner's engine, and the other lab's registry."""
        return {
            **os.environ,
            **self.registry.environ(),
            "DOCKER_HOST": self.runner.docker_host,
            "TMPDIR": str(self.folder),
            "BUILDX_CONFIG": str(self.folder / "buildx"),
            "BUILDX_BAKE_ENTITLEMENTS_FS": "0",
        }

    def engine(self) -> Engine:
        """Return the runner's engine, of which memory is measured."""
        (pid,) = (part.pid for part in lab.status(self._runner_state) if part.name == "engine")
        assert pid is not None
        return Engine(pid)

    @property
    def _runner_state(self) -> Path:
        return self.folder / "runner"


@dataclass
class Project:
    """A clone to work in on a ground, and where its images are."""

    ground: Ground
    clone: Path
    images: str

    @property
    def sha(self) -> str:
        """The tag of the present commit."""
        return git(self.clone, "rev-parse", "HEAD")[:SHA_LENGTH]

    def commit(self, message: str) -> None:
        """Commit everything."""
        git(self.clone, "add", "--all")
        git(self.clone, "commit", "--quiet", f"--message={message}")

    def measure(self, *argv: str) -> Sample:
        """Run a command in the clone, on the present runner."""
        env = {**self.ground.environment(), "INVOKE_BUILDONCE_IMAGE": self.images}
        return run(argv, cwd=self.clone, env=env, engine=self.ground.engine())

    @property
    def program(self) -> list[str]:
        """What runs tasks."""
        return [str(TOOLS / "inv")]

    def inv(self, *arguments: str) -> Sample:
        """Run one of the project's tasks."""
        return self.measure(*self.program, *arguments)


@contextmanager
def prepared(folder: Path) -> Iterator[Ground]:
    """Have a ground, and leave nothing of it."""
    registry = folder / "registry"
    with lab.guarded(registry), lab.guarded(folder / "runner"):
        yield Ground(folder, registry=lab.up(state=registry))
