"""Docker Compose on one host."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from buildonce.engines import definition, pulling
from buildonce.engines.base import UNTOUCHED, DeployError, Deployment, Running, Target
from buildonce.engines.compose.containers import Project
from buildonce.engines.compose.watching import INTERVAL, Failing, Watch, slowest
from buildonce.engines.docker import CALL, Docker, Refused, Started
from buildonce.engines.secrets import mask
from buildonce.errors import UnavailableError

_PULL = ("pull", "--policy", "missing", "--ignore-buildable")
_UP = ("up", "--detach", "--no-build", "--remove-orphans")
_AHEAD = ("up", "--detach", "--no-build", "--no-recreate", "--no-deps", "--wait")


class Compose:
    """Runs releases as one Compose project on one host."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._host = target.host or "the local engine"
        self._docker = Docker(target)
        self._project = Project(self._docker, target.project)

    def render(self, deployment: Deployment) -> str:
        """Return the definition with the images filled in by digest, and nothing else."""
        return definition.render(deployment)

    def commands(self, deployment: Deployment) -> list[str]:
        """Return the command lines that a deploy runs; FILE is what ``render`` returns."""
        pulls = [self._docker.line("pull", "--quiet", str(r)) for r in deployment.images.values()]
        calls = [self._docker.line(*self._words(*words)) for words in (_PULL, _UP)]
        folder = shlex.quote(str(deployment.file.parent))
        return [*pulls, *(f"(cd {folder} && {call} < FILE)" for call in calls)]

    def require_ready(self, deployment: Deployment) -> None:
        """See that the engine answers and the definition can be used; pull every image."""
        self._docker.require_answer()
        definition.parts(self._docker, deployment)
        try:
            self._call(deployment, "config", "--quiet")
        except Refused as refused:
            raise definition.unusable(deployment, self._masked(deployment, refused.said)) from None
        pulling.pull(self._docker, deployment.images)
        try:
            self._call(deployment, *_PULL, limit=pulling.LIMIT)
        except Refused as refused:
            raise UnavailableError(
                f"{self._target} cannot pull what {deployment.file.name} needs besides: "
                + self._masked(deployment, refused.said),
                hint="see that the host reaches the registries of those images",
            ) from None

    def run_once(self, deployment: Deployment, service: str, command: Sequence[str]) -> None:
        """Run a command in a new container; what it needs of others' images comes up first."""
        parts = definition.parts(self._docker, deployment)
        definition.require_part(deployment, parts, service)
        name = f"{self._target.project}-before-{deployment.sha}"
        run = ("run", "--rm", "--no-deps", "--no-TTY", "--name", name, service, *command)
        try:
            if ahead := definition.foreign_needs(service, parts, deployment):
                self._call(deployment, *_AHEAD, *ahead, limit=self._target.timeout)
            self._project.remove(name)
            self._call(deployment, *run, limit=self._target.timeout)
        except Refused as refused:
            raise DeployError(
                f"failed in the step before the switch ({shlex.join(command)})",
                service=service,
                host=self._host,
                log=self._masked_log(deployment, refused.log),
                hint=UNTOUCHED,
            ) from None
        finally:
            self._project.remove(name)

    def deploy(self, deployment: Deployment, progress: Callable[[str], None]) -> None:
        """Have Compose change what differs, and wait until all of it is up."""
        parts = definition.parts(self._docker, deployment)
        watch = Watch(parts, {c.id: c for c in self._project.containers()}, progress)
        deadline = time.monotonic() + self._target.timeout
        try:
            with self._started(deployment, *_UP) as up:
                self._watch(deployment, watch, up, deadline)
        except Failing as failing:
            raise self._failed(deployment, failing) from None

    def running(self, deployment: Deployment) -> list[Running]:
        """Return every container of the project, and a row for each that is missing."""
        return self._project.running(definition.parts(self._docker, deployment), self._host)

    def _watch(self, deployment: Deployment, watch: Watch, up: Started, deadline: float) -> None:
        while True:
            code = up.code
            waiting = watch.look(self._project.containers(), applied=code is not None)
            if code:
                said = self._masked(deployment, up.complaint())
                raise DeployError(f"Compose could not apply the release: {said}", host=self._host)
            if code == 0 and not waiting:
                return
            if time.monotonic() >= deadline:
                raise slowest(waiting).after(self._target.timeout)
            time.sleep(INTERVAL)

    def _failed(self, deployment: Deployment, failing: Failing) -> DeployError:
        log = self._docker.log_tail("logs", failing.container) if failing.container else []
        return DeployError(
            failing.what,
            service=failing.service, host=self._host, log=self._masked_log(deployment, log),
            hint=self._docker.line("logs", failing.container[:12]) if failing.container else "",
        )  # fmt: skip

    def _masked(self, deployment: Deployment, text: str) -> str:
        return mask(text, self._docker, deployment)

    def _masked_log(self, deployment: Deployment, lines: Sequence[str]) -> list[str]:
        return self._masked(deployment, "\n".join(lines)).splitlines()

    def _call(self, deployment: Deployment, *words: str, limit: float = CALL) -> str:
        return self._docker.run(*self._words(*words), limit=limit, **self._given(deployment))

    def _started(self, deployment: Deployment, *words: str) -> AbstractContextManager[Started]:
        return self._docker.started(*self._words(*words), **self._given(deployment))

    def _given(self, deployment: Deployment) -> dict[str, Any]:
        return {
            "text": self.render(deployment),
            "variables": deployment.variables,
            "folder": deployment.file.parent,
        }

    def _words(self, *words: str) -> tuple[str, ...]:
        project = ("--project-name", self._target.project)
        return ("compose", "--progress", "quiet", *project, "--file", "-", *words)
