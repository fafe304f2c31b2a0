"""Docker Compose on one host."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

from buildonce.engines import externals, pulling
from buildonce.engines.base import (
    UNTOUCHED,
    Deployment,
    Remains,
    Resolved,
    Running,
    StillOurs,
    Target,
    always_ours,
    unheard,
)
from buildonce.engines.compose import names, ports
from buildonce.engines.compose.containers import Project
from buildonce.engines.compose.contents import with_contents
from buildonce.engines.compose.watching import INTERVAL, Failing, Stopped, Watch, slowest
from buildonce.engines.definition import NO_FOLDER, Definition
from buildonce.engines.docker import CALL, Docker, Expired, Refused, Started
from buildonce.engines.secrets import mask
from buildonce.errors import DeployError, UnavailableError

_PULL = ("pull", "--policy", "missing", "--ignore-buildable")
_UP = ("up", "--detach", "--no-build", "--remove-orphans")
_AHEAD = ("up", "--detach", "--no-build", "--no-recreate", "--no-deps", "--wait")


class Compose:
    """Runs a release as one Compose project on one host."""

    pulls = True

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self._target = deployment.target
        self._host = self._target.host or "the local engine"
        self._docker = Docker(self._target)
        self._project = Project(self._docker, self._target.project)
        self._definition = Definition(deployment, self._docker)

    @property
    def bundle(self) -> str:
        """The deployment's files as one self-contained text, images as variables."""
        return self._definition.bundle

    def render(self) -> str:
        """Return the bundle with the images filled in by digest, and nothing else."""
        return self._definition.text

    def resolved(self) -> Resolved:
        """Return what today's variables and secrets make of the definition."""
        return self._definition.decided()

    def commands(self) -> list[str]:
        """Return the command lines that a deploy runs; FILE is what ``render`` returns."""
        images = self.deployment.images.values()
        pulls = [self._docker.line("pull", "--quiet", str(ref)) for ref in images]
        calls = [self._docker.line(*self._words(*words)) for words in (_PULL, _UP)]
        return [*pulls, *(f"{call} < FILE" for call in calls)]

    def check(self) -> None:
        """See that the engine answers, the definition can be used and its ports are free."""
        self._docker.require_answer()
        self._require_usable()
        taken = ports.taken_by_containers(self._definition.resolved, self._docker)
        ports.require_free(self._target, taken)
        names.require_free(self._definition, self._docker)
        externals.require(self._definition.resolved, self._docker)

    def pull(self) -> None:
        """Pull every image, others' included."""
        pulling.pull(self._docker, self.deployment.images)
        try:
            self._call(*_PULL, limit=pulling.LIMIT)
        except Refused as refused:
            raise UnavailableError(
                f"{self._target} cannot pull what {self._definition.name} needs besides: "
                + self._masked(refused.complaint),
                hint="see that the host reaches the registries of those images",
            ) from None

    def run_once(
        self, service: str, command: Sequence[str], progress: Callable[[str], None] = unheard
    ) -> None:
        """Run a command in a new container; what it needs of third-party images comes up first."""
        self._definition.require_part(service)
        name = f"{self._target.project}-pre-deploy-{self.deployment.sha}"
        run = ("run", "--rm", "--no-deps", "--no-TTY", "--name", name, service, *command)
        try:
            if self._project.is_running(name):
                progress(f"waiting for {name}, which runs already")
                self._wait_for(name)
                return
            self._start_needs(service)
            self._project.remove(name)
            self._call(*run, limit=self._target.pre_deploy_timeout)
        except Refused as refused:
            raise DeployError(
                f"{_failure(refused)} in the pre-deploy command ({shlex.join(command)})",
                service=service,
                host=self._host,
                log=self._masked_log(refused.log),
                hint=UNTOUCHED,
            ) from None
        finally:
            self._project.remove(name)

    def _start_needs(self, service: str) -> None:
        ahead = self._definition.foreign_needs(service)
        if not ahead:
            return
        try:
            self._call(*_AHEAD, *ahead, limit=self._target.timeout)
        except Refused as refused:
            raise DeployError(
                f"needs {', '.join(ahead)} for the pre-deploy command, which did not come up: "
                + self._masked(refused.complaint),
                service=service,
                host=self._host,
                log=self._masked_log(refused.log),
                hint=UNTOUCHED,
            ) from None

    def _wait_for(self, container: str) -> None:
        """Wait for a command that who held the promotion before has left running.

        Raises:
            Refused: it failed, or took too long.
        """
        limit = self._target.pre_deploy_timeout
        code = self._docker.run("container", "wait", container, limit=limit).strip()
        if code != "0":
            raise Refused(f"exit code {code}")

    def deploy(self, progress: Callable[[str], None], still_ours: StillOurs = always_ours) -> None:
        """Have Compose change what differs, and wait until all of it is up.

        What was stopped after Compose had looked at it is started by a second look.
        """
        before = {container.id: container for container in self._project.containers()}
        watch = Watch(self._definition.parts, before, progress)
        deadline = time.monotonic() + self._target.timeout
        try:
            try:
                self._apply(watch, deadline, still_ours)
            except Stopped:
                self._apply(watch, deadline, still_ours)
        except Failing as failing:
            raise self._failed(failing) from None

    def running(self) -> list[Running]:
        """Return every container of the project, and a row for each that is missing."""
        rows = self._project.running(self._definition.parts, self._host)
        return self.deployment.recognised(rows)

    @cached_property
    def _applied(self) -> str:
        """What Compose gets: the rendered text, and labels by which it sees new contents."""
        text, model = self.render(), self._definition.model
        if not (model.get("configs") or model.get("secrets")):
            return text
        variables = {**os.environ, **self.deployment.variables}
        return with_contents(text, self._target.project, self._definition.resolved, variables)

    def _require_usable(self) -> None:
        self._definition.require_usable()
        try:
            self._call("config", "--quiet")
        except Refused as refused:
            raise self._definition.unusable(self._masked(refused.complaint)) from None

    def _apply(self, watch: Watch, deadline: float, still_ours: StillOurs) -> None:
        with self._started(*_UP) as up:
            self._watch(watch, up, deadline, still_ours)

    def _watch(self, watch: Watch, up: Started, deadline: float, still_ours: StillOurs) -> None:
        while True:
            still_ours()
            code = up.code
            waiting = watch.look(self._project.containers(), applied=code is not None)
            if code:
                complaint = self._masked(up.last_error())
                raise DeployError(
                    f"Compose could not apply the release: {complaint}", host=self._host
                )
            if code == 0 and not waiting:
                return
            if time.monotonic() >= deadline:
                raise slowest(waiting).after(self._target.timeout)
            time.sleep(INTERVAL)

    def _failed(self, failing: Failing) -> DeployError:
        log = self._docker.log_tail("logs", failing.container) if failing.container else []
        return DeployError(
            failing.what,
            service=failing.service, host=self._host, log=self._masked_log(log),
            hint=self._docker.line("logs", failing.container[:12]) if failing.container else "",
        )  # fmt: skip

    def _masked(self, text: str) -> str:
        return mask(text, self._definition)

    def _masked_log(self, lines: Sequence[str]) -> list[str]:
        return self._masked("\n".join(lines)).splitlines()

    def _call(self, *words: str, limit: float | None = CALL) -> str:
        return self._docker.run(*self._words(*words), limit=limit, **self._given())

    def _started(self, *words: str) -> AbstractContextManager[Started]:
        return self._docker.started(*self._words(*words), **self._given())

    def _given(self) -> dict[str, Any]:
        return {
            "text": self._applied,
            "variables": self.deployment.variables,
        }

    def _words(self, *words: str) -> tuple[str, ...]:
        project = ("--project-name", self._target.project)
        return ("compose", "--progress", "quiet", *NO_FOLDER, *project, "--file", "-", *words)


def remains(target: Target) -> Remains:
    """Return the containers of a project."""
    docker = Docker(target)
    names = sorted(container.name for container in Project(docker, target.project).containers())
    return Remains(tuple(names), docker.line("compose", "--project-name", target.project, "down"))


def require_answer(target: Target) -> None:
    """See that the engine of a target answers."""
    Docker(target).require_answer()


def _failure(refused: Refused) -> str:
    if isinstance(refused, Expired):
        return f"was stopped ({refused.complaint}, as pre_deploy.timeout says)"
    return "failed"
