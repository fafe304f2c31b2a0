"""Hosts to deploy to: fixtures, and what the tests see of an environment without the library."""

from __future__ import annotations

import http.client
import itertools
import os
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import lab
from buildonce.engines import bind
from buildonce.engines.base import Deployment, Engine, Files, Running, Target
from buildonce.refs import ImageRef
from tests.kit.waiting import wait_for

NOTHING: Mapping[str, str] = {}


@dataclass
class Place:
    """An environment on one host, with the definition in `file`, its api at `address`."""

    target: Target
    file: Path
    address: str
    variables: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def engine(self, images: Mapping[str, ImageRef]) -> Engine:
        return bind(self.deployment(images))

    def deployment(self, images: Mapping[str, ImageRef]) -> Deployment:
        return Deployment(
            target=self.target,
            sha=secrets.token_hex(6),
            files=Files((self.file.name,), self._export, locate=lambda _: ""),
            images=images,
            variables=self.variables,
        )

    def _export(self, folder: Path) -> Path:
        shutil.copytree(self.file.parent, folder)
        return folder

    def deploy(self, images: Mapping[str, ImageRef], *, within: float = 180) -> Deployment:
        """What a promotion does: get ready, then switch."""
        given = self.deployment(images)
        given = replace(given, target=replace(given.target, timeout=within))
        engine = bind(given)
        engine.check()
        engine.pull()
        engine.deploy(self.said.append)
        return given

    def problems(self, images: Mapping[str, ImageRef]) -> dict[str, str]:
        """What is wrong, by service; every container is looked at."""
        return {row.service: row.problem for row in self.running(images) if row.problem}

    def running(self, images: Mapping[str, ImageRef]) -> list[Running]:
        return self.engine(images).running()

    def docker(
        self,
        *arguments: str,
        stdin: str = "",
        env: Mapping[str, str] = NOTHING,
        cwd: str | None = None,
    ) -> str:
        """The docker client on this host, behind the library's back."""
        done = subprocess.run(
            ["docker", "--host", self.target.host, *arguments],
            input=stdin, env={**os.environ, **env}, capture_output=True, text=True, cwd=cwd,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def ids(self, service: str) -> set[str]:
        """The containers of a service of this Compose project."""
        labels = {"project": self.target.project, "service": service}
        filters = [
            f"--filter=label=com.docker.compose.{name}={value}" for name, value in labels.items()
        ]
        return set(self.docker("ps", "--all", "--quiet", "--no-trunc", *filters).split())

    def version(self) -> str:
        """The version that answers a client."""
        return get(self.address)


def get(address: str) -> str:
    """One request of a client that waits a second at most."""
    connection = http.client.HTTPConnection(address, timeout=1)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


@contextmanager
def asking(address: str) -> Iterator[list[tuple[float, str]]]:
    """Keep asking; the list gets each answer and the second of it, or "" where none came."""
    answers: list[tuple[float, str]] = []
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.02):
            try:
                answers.append((time.monotonic(), get(address)))
            except (OSError, http.client.HTTPException):
                answers.append((time.monotonic(), ""))

    client = threading.Thread(target=ask)
    client.start()
    try:
        yield answers
    finally:
        done.set()
        client.join()


def longest_silence(answers: list[tuple[float, str]]) -> float:
    """The most seconds between two answers that came."""
    good = [moment for moment, answer in answers if answer]
    return max(later - earlier for earlier, later in itertools.pairwise(good))


def kill_daemon(running: lab.Lab, name: str) -> None:
    """Kill a host's dockerd, or the registry, and wait until it is gone."""
    (part,) = [part for part in lab.status(running.state) if part.name == name]
    assert part.pid is not None
    os.kill(part.pid, 9)

    def is_up() -> bool:
        return any(part.running for part in lab.status(running.state) if part.name == name)

    wait_for(lambda: not is_up(), f"{name} to be gone")
