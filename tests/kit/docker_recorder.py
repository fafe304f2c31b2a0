"""The docker client, watched."""

from __future__ import annotations

import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DockerRecorder:
    """A `docker` in front of the real one that writes down how it is called."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> DockerRecorder:
        """Put the program into a new folder."""
        real = shutil.which("docker")
        assert real is not None
        folder.mkdir()
        here, program = shlex.quote(str(folder)), folder / "docker"
        program.write_text(
            "#!/bin/sh\n"
            f'echo "$*" >>{here}/calls\n'
            f'case "$*" in *bake*) [ ! -e {here}/before ] || . {here}/before ;; esac\n'
            f'exec {shlex.quote(real)} "$@"\n'
        )
        program.chmod(0o755)
        return cls(folder)

    @property
    def env(self) -> dict[str, str]:
        return {"PATH": f"{self.folder}:{os.environ['PATH']}"}

    def calls(self) -> list[str]:
        """The command lines so far."""
        log = self.folder / "calls"
        return log.read_text().splitlines() if log.exists() else []

    def builds(self) -> list[str]:
        """Those that built something."""
        calls = [call for call in self.calls() if "--print" not in call.split()]
        return [call for call in calls if "bake" in call.split() or "build" in call.split()]

    def before_a_build(self, script: str) -> None:
        """Have a line of shell run ahead of every `docker buildx bake`."""
        (self.folder / "before").write_text(script)
