"""Docker Swarm: a stack on several hosts, by way of one of its managers."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from buildonce.engines import definition, pulling
from buildonce.engines.base import UNTOUCHED, DeployError, Deployment, Running, Target
from buildonce.engines.compose.watching import INTERVAL, Failing
from buildonce.engines.definition import Part
from buildonce.engines.docker import CALL, Docker, Refused
from buildonce.engines.secrets import mask
from buildonce.engines.swarm import cluster, oneoff, tasks
from buildonce.engines.swarm.cluster import Stack
from buildonce.engines.swarm.rollout import Rollout
from buildonce.errors import PreconditionError

_FROM_INPUT = ("--compose-file", "-")
_DEPLOY = ("--with-registry-auth", "--resolve-image", "never", "--detach=true")


class Swarm:
    """Runs releases as one stack."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._host = target.host or "the local engine"
        self._docker = Docker(target)

    def render(self, deployment: Deployment) -> str:
        """Return the definition with the images filled in by digest, and nothing else."""
        return definition.render(deployment)

    def commands(self, deployment: Deployment) -> list[str]:
        """Return the command lines that a deploy runs; FILE is what ``render`` returns."""
        pulls = [self._docker.line("pull", "--quiet", str(r)) for r in deployment.images.values()]
        deploy = self._docker.line(*self._words("--prune"))
        folder = shlex.quote(str(deployment.file.parent))
        return [*pulls, f"(cd {folder} && {deploy} < FILE)"]

    def require_ready(self, deployment: Deployment) -> None:
        """See that a manager answers and takes the definition; pull every image there.

        The other nodes pull for themselves, with the manager's credentials, before Swarm
        stops what they run.
        """
        self._docker.require_answer()
        self._require_manager()
        definition.parts(self._docker, deployment)
        try:
            self._call(deployment, self.render(deployment), "stack", "config", *_FROM_INPUT)
        except Refused as refused:
            raise definition.unusable(deployment, self._masked(deployment, refused.said)) from None
        pulling.pull(self._docker, deployment.images)

    def run_once(self, deployment: Deployment, service: str, command: Sequence[str]) -> None:
        """Run a command as a job of the stack; what it needs of others' images starts first."""
        parts = definition.parts(self._docker, deployment)
        definition.require_part(deployment, parts, service)
        model = definition.model(self._docker, deployment)
        there = cluster.read(self._docker, self._target.project).services
        needs = definition.foreign_needs(service, parts, deployment)
        ahead = [name for name in needs if name not in there]
        if ahead:
            text = oneoff.services(model, ahead)
            self._roll_out(deployment, text, {name: parts[name] for name in ahead})
        self._run_job(deployment, oneoff.job(model, service, command), service)

    def deploy(self, deployment: Deployment, progress: Callable[[str], None]) -> None:
        """Have Swarm update what differs, and wait until all of it is up."""
        parts = definition.parts(self._docker, deployment)
        self._roll_out(deployment, self.render(deployment), parts, "--prune", progress=progress)

    def running(self, deployment: Deployment) -> list[Running]:
        """Return every task that runs or should, and a row for each that is missing.

        What a manager's own containers run is read from them. Of the other nodes' containers
        the manager knows what it told the node to run, and that the node says it runs: the
        bytes are what the task's digest names, as long as that node's engine is honest. Of a
        node that does not answer nothing can be told.
        """
        self._require_manager()
        parts = definition.parts(self._docker, deployment)
        return tasks.rows(self._docker, self._read(), parts)

    def _roll_out(
        self,
        deployment: Deployment,
        text: str,
        parts: Mapping[str, Part],
        *options: str,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        rollout = Rollout(parts, self._read(), progress)
        deadline = time.monotonic() + self._target.timeout
        try:
            self._forget_changed_images(rollout.before)
            self._call(deployment, text, *self._words(*options), limit=self._target.timeout)
            self._watch(rollout, deadline)
        except Refused as refused:
            said = self._masked(deployment, refused.said)
            raise DeployError(f"Swarm did not take the release: {said}", host=self._host) from None
        except Failing as failing:
            raise self._failed(deployment, failing) from None

    def _forget_changed_images(self, stack: Stack) -> None:
        """Have ``stack deploy`` set the image of services that were updated by other means.

        Where its own note has the image already, it keeps whatever image the service has.
        """
        for service in stack.services.values():
            if service.deployed != service.image:
                note = ("service", "update", "--detach", "--label-rm", cluster.NOTED)
                self._docker.run(*note, service.id)

    def _watch(self, rollout: Rollout, deadline: float) -> None:
        while waiting := rollout.look(self._read()):
            if time.monotonic() >= deadline:
                waiting[0].what += f" after {self._target.timeout:.0f} s"
                raise waiting[0]
            time.sleep(INTERVAL)

    def _run_job(self, deployment: Deployment, text: str, service: str) -> None:
        part = Part(oneoff.name_of(service), "", 1, {}, optional=False)
        self._remove(part.name)
        try:
            self._roll_out(deployment, text, {part.name: part})
        except DeployError as error:
            error.hint = UNTOUCHED
            raise
        finally:
            self._remove(part.name)

    def _remove(self, service: str) -> None:
        with suppress(Refused):
            self._docker.run("service", "rm", self._named(service))

    def _failed(self, deployment: Deployment, failing: Failing) -> DeployError:
        log = ("service", "logs", "--raw", failing.container)
        tail = self._docker.log_tail(*log) if failing.container else []
        return DeployError(
            self._masked(deployment, failing.what),
            service=failing.service,
            host=failing.host or self._host,
            log=self._masked(deployment, "\n".join(tail)).splitlines(),
            hint=self._docker.line("service", "ps", "--no-trunc", self._named(failing.service)),
        )

    def _require_manager(self) -> None:
        if self._docker.run("info", "--format", "{{.Swarm.ControlAvailable}}").strip() != "true":
            raise PreconditionError(
                f"the engine of {self._target} is no manager of a Swarm",
                hint="aim tool.buildonce.environments."
                f"{self._target.name}.host at a manager, or: {self._docker.line('swarm', 'init')}",
            )

    def _read(self) -> Stack:
        return cluster.read(self._docker, self._target.project)

    def _named(self, service: str) -> str:
        return f"{self._target.project}_{service}"

    def _masked(self, deployment: Deployment, text: str) -> str:
        return mask(text, self._docker, deployment)

    def _call(self, deployment: Deployment, text: str, *words: str, limit: float = CALL) -> str:
        return self._docker.run(
            *words,
            text=text,
            variables=deployment.variables,
            folder=deployment.file.parent,
            limit=limit,
        )

    def _words(self, *options: str) -> tuple[str, ...]:
        return ("stack", "deploy", *_FROM_INPUT, *_DEPLOY, *options, self._target.project)
