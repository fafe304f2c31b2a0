"""A generated monorepo of many services, of the kinds that real Dockerfiles are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.floor import BASE
from bench.generated import begun, configure
from bench.ground import Ground, Project
from bench.measure import Sample

TURNS = 3

MANIFESTS = Path(__file__).with_name("manifests.py")
TAG_LOOP = """
set -eu
while read -r repository reference tag; do
    crane tag --insecure "$1/$repository:$reference" "$tag"
done < "$2"
"""
COPY_LOOP = """
set -eu
while read -r repository reference tag; do
    crane copy --insecure "$1/$repository:$reference" "$3/$repository:$reference"
done < "$2"
"""

ENVIRONMENTS = """
[tool.buildonce.environments.staging]

[tool.buildonce.environments.production]
after = "staging"

[tool.buildonce.environments.live]
engine = "compose"
host = "{host}"
file = "compose.yaml"
project = "{namespace}"
timeout = "20m"
"""
APART = """
[tool.buildonce.environments.{name}]
registry = "{registry}/{name}"
"""
SERVICE = """
[tool.buildonce.services.{name}]
inputs = {inputs}
"""
RUNNING = """\
  {name}:
    image: ${{{variable}}}
    command: ["sleep", "infinity"]
    stop_signal: SIGKILL
"""

PLAIN = f"FROM {BASE}\nCOPY {{name}} /app/\n"
WORKDIR = f"FROM {BASE}\nWORKDIR /app\nRUN echo ready > ready\nCOPY {{name}} .\n"
STAGES = f"""\
FROM {BASE} AS build
WORKDIR /build
COPY {{name}} .
RUN cat * > app
FROM {BASE}
COPY --from=build /build/app /app/
"""
SHARED = f"""\
FROM {BASE}
COPY --from={BASE} /etc/os-release /tools/
COPY libs {{name}} /app/
"""
KINDS = (PLAIN, WORKDIR, STAGES, SHARED)
"""The services' Dockerfiles in turn; those of the last kind share `libs`."""

WITH_WORKDIR = KINDS.index(WORKDIR)


@dataclass(frozen=True)
class Fleet:
    """A clone with `size` services, and a remote of its own."""

    project: Project
    namespace: str
    size: int

    @classmethod
    def make(cls, ground: Ground, size: int) -> Fleet:
        """Write the monorepo and commit it; the present runner is also the host of `live`."""
        namespace = f"fleet{size}"
        fleet = cls(begun(ground, namespace), namespace, size)
        fleet._write()
        fleet.project.commit("Begin")
        return fleet

    @property
    def services(self) -> list[str]:
        """The services' names."""
        return [f"s{number:03}" for number in range(self.size)]

    @property
    def changing(self) -> str:
        """The service that the bench changes: one with a WORKDIR."""
        return self.services[WITH_WORKDIR]

    def change(self, path: str) -> None:
        """Add one line to a file and commit that."""
        file = self.project.clone / path
        file.parent.mkdir(exist_ok=True)
        with file.open("a", encoding="utf-8") as text:
            text.write("another line\n")
        self.project.commit(f"Change {path}")

    def tagged(self, tag: str) -> Sample:
        """Send the requests of `crane tag` for each service, with connections that are kept."""
        return self._manifests("tag", self._jobs([self.project.sha], tag))

    def tagged_by_crane(self, tag: str) -> Sample:
        """Run `crane tag` for each service, one after the other."""
        jobs = self._jobs([self.project.sha], tag)
        return self.project.measure("sh", "-c", TAG_LOOP, "sh", self._registry, str(jobs))

    def copied_by_crane(self, path: str) -> Sample:
        """Run `crane copy` for each service into a path of the other registry, one by one."""
        jobs, other = self._jobs([self.project.sha], "-"), f"{self._other_registry}/{path}"
        command = ["sh", "-c", COPY_LOOP, "sh", self._registry, str(jobs), other]
        return self.project.measure(*command)

    def read(self, references: Sequence[str]) -> Sample:
        """Fetch and hash each service's manifest under each reference."""
        return self._manifests("read", self._jobs(references, "-"))

    def digests(self) -> list[str]:
        """Return the digests of the present commit's images, by service."""
        jobs = self._jobs([self.project.sha], "-")
        argv = [sys.executable, str(MANIFESTS), "read", self._registry, str(jobs)]
        said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        return said.split()

    def containers(self) -> set[str]:
        """Return the ids of the containers that run in `live`."""
        label = f"com.docker.compose.project={self.namespace}"
        said = subprocess.run(
            ["docker", "ps", "--quiet", f"--filter=label={label}"],
            env=self.project.ground.environment(), check=True, capture_output=True, text=True,
        )  # fmt: skip
        return set(said.stdout.split())

    @property
    def _registry(self) -> str:
        return self.project.ground.registry.registry

    @property
    def _other_registry(self) -> str:
        return self.project.ground.runner.registry

    def _manifests(self, what: str, jobs: Path) -> Sample:
        program = [sys.executable, str(MANIFESTS), what, self._registry, str(jobs)]
        return self.project.measure(*program)

    def _jobs(self, references: Sequence[str], tag: str) -> Path:
        file = self.project.clone.with_name("jobs")
        lines = [
            f"{self.namespace}/{service} {reference} {tag}\n"
            for service in self.services
            for reference in references
        ]
        file.write_text("".join(lines), encoding="utf-8")
        return file

    def _write(self) -> None:
        clone = self.project.clone
        (clone / "libs").mkdir()
        (clone / "libs/libs.txt").write_text("shared\n", encoding="utf-8")
        host = self.project.ground.runner.docker_host
        configure(self.project, ENVIRONMENTS.format(namespace=self.namespace, host=host))
        for turn in range(TURNS):
            apart = APART.format(name=f"apart-{turn}", registry=self._other_registry)
            configure(self.project, apart)
        compose = "services:\n"
        for number, name in enumerate(self.services):
            kind = KINDS[number % len(KINDS)]
            inputs = f'["{name}", "libs"]' if kind == SHARED else f'["{name}"]'
            configure(self.project, SERVICE.format(name=name, inputs=inputs))
            compose += RUNNING.format(name=name, variable=f"BUILDONCE_IMAGE_{name.upper()}")
            (clone / name).mkdir()
            (clone / name / "Dockerfile").write_text(kind.format(name=name), encoding="utf-8")
            (clone / name / "app.txt").write_text(f"{name}\n", encoding="utf-8")
        (clone / "compose.yaml").write_text(compose, encoding="utf-8")
