"""Docker Swarm: a stack on several hosts, by way of one of its managers."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import yaml

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
from buildonce.engines.compose import ports
from buildonce.engines.compose.watching import INTERVAL, Failing
from buildonce.engines.definition import Definition, Part
from buildonce.engines.docker import CALL, Docker, Refused
from buildonce.engines.secrets import mask
from buildonce.engines.swarm import cluster, ingress, logins, oneoff, tasks
from buildonce.engines.swarm.cluster import Stack
from buildonce.engines.swarm.objects import NOTED, NOWHERE
from buildonce.engines.swarm.stackfile import stack_file, with_files
from buildonce.engines.swarm.watching import Watch
from buildonce.errors import DeployError, PreconditionError

_NONE: Mapping[str, str] = {}
# the later of two changes of one service; a network that a removed stack has left for a moment
_PASSING = re.compile(r"update out of sequence|network \S+ not found")
_PATIENCE = 30.0
# a secret, or config, that has another content under the same name
_UNCHANGEABLE = "only updates to Labels are allowed"
_RENAME = (
    "Swarm cannot change a secret: in the stack file give it a name with a variable, as "
    "name: key_${KEY_VERSION:-1}, and another value of that with each new content"
)
_FROM_INPUT = ("--compose-file", "-")
_DEPLOY = ("--with-registry-auth", "--resolve-image", "never", "--detach=true")


class Limit(NamedTuple):
    """How many seconds something may take, and in words which setting says so."""

    seconds: float
    source: str = ""


class Swarm:
    """Runs a release as one stack."""

    pulls = True

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self._target = deployment.target
        self._host = self._target.host or "the local engine"
        self._docker = Docker(self._target)
        self._definition = Definition(deployment, self._docker)

    @property
    def bundle(self) -> str:
        """The deployment's files as one self-contained text, images as variables."""
        return self._definition.bundle

    def render(self) -> str:
        """Return the bundle with the images filled in by digest, and nothing else."""
        return stack_file(self._definition.text, self._target.project)

    def resolved(self) -> Resolved:
        """Return what today's variables and secrets make of the definition."""
        return self._definition.decided()

    def commands(self) -> list[str]:
        """Return the command lines that a deploy runs; FILE is what ``render`` returns."""
        images = self.deployment.images.values()
        pulls = [self._docker.line("pull", "--quiet", str(ref)) for ref in images]
        deploy = self._docker.line(*self._words("--prune"))
        if folder := self._target.pull_config:
            deploy = f"{deploy}   (with the logins of {folder})"
        return [*pulls, f"{deploy} < FILE"]

    def check(self) -> None:
        """See that a manager answers and takes the definition."""
        self._docker.require_answer()
        self._require_manager()
        logins.require(self._target.pull_config, self._target.table)
        self._require_usable()
        ports.require_free(self._target, ingress.taken(self._definition, self._docker))
        externals.require(self._definition.resolved, self._docker)

    def pull(self) -> None:
        """Pull every image on the manager.

        The other nodes pull for themselves, with the logins that they were given, before
        Swarm stops what they run.
        """
        pulling.pull(self._docker, self.deployment.images)

    def run_once(
        self, service: str, command: Sequence[str], progress: Callable[[str], None] = unheard
    ) -> None:
        """Run a command as a job of the stack; what it needs of others' images starts first."""
        self._definition.require_part(service)
        parts, model = self._definition.parts, yaml.safe_load(self.render())
        present = cluster.read(self._docker, self._target.project).services
        needs = self._definition.foreign_needs(service)
        ahead = [name for name in needs if name not in present]
        if ahead:
            text = oneoff.services(model, ahead)
            self._roll_out(text, {name: parts[name] for name in ahead}, progress=progress)
        self._run_job(oneoff.job(model, service, command), service, progress)

    def deploy(self, progress: Callable[[str], None], still_ours: StillOurs = always_ours) -> None:
        """Have Swarm update what differs, and wait until all of it is up."""
        self._roll_out(
            self.render(), self._definition.parts, "--prune",
            progress=progress, still_ours=still_ours,
        )  # fmt: skip

    def running(self) -> list[Running]:
        """Return every task that runs or should, and a row for each that is missing.

        What a manager's own containers run is read from them. Of the other nodes' containers
        the manager knows what it told the node to run, and that the node says it runs: the
        bytes are what the task's digest names, as long as that node's engine is honest. Of a
        node that does not answer nothing can be told.
        """
        self._require_manager()
        rows = tasks.rows(self._docker, self._read(), self._definition.parts)
        return self.deployment.recognised(rows)

    def _require_usable(self) -> None:
        self._definition.require_usable()
        try:
            self._call(self.render(), "stack", "config", *_FROM_INPUT)
        except Refused as refused:
            raise self._definition.unusable(self._masked(refused.complaint)) from None

    def _roll_out(
        self,
        text: str,
        parts: Mapping[str, Part],
        *options: str,
        progress: Callable[[str], None] = unheard,
        still_ours: StillOurs = always_ours,
        limit: Limit | None = None,
    ) -> None:
        """Deploy and wait; without a ``limit``, as long as a deploy may take."""
        watch = Watch(parts, self._read(), progress)
        try:
            self._forget_changed_images(watch.before)
            self._stack_deploy(text, *options)
        except Refused as refused:
            complaint = self._masked(refused.complaint)
            raise DeployError(
                f"Swarm did not take the release: {complaint}", host=self._host,
                hint=_RENAME if _UNCHANGEABLE in complaint else "",
            ) from None  # fmt: skip
        self._watch(watch, limit or Limit(self._target.timeout), still_ours)

    def _forget_changed_images(self, stack: Stack) -> None:
        """Have ``stack deploy`` set the image of services that were updated by other means.

        Where its own note has the image already, it keeps whatever image the service has.
        """
        for service in stack.services.values():
            if service.deployed != service.image:
                note = ("service", "update", "--detach", "--label-rm", NOTED)
                self._docker.run(*note, service.id)

    def _watch(self, watch: Watch, limit: Limit, still_ours: StillOurs = always_ours) -> None:
        deadline = time.monotonic() + limit.seconds
        try:
            while waiting := watch.look(self._read()):
                still_ours()
                if time.monotonic() >= deadline:
                    failing = next((one for one in waiting if one.container), waiting[0])
                    failing.what += f" after {limit.seconds:.0f} s{limit.source}"
                    raise failing
                time.sleep(INTERVAL)
        except Failing as failing:
            raise self._failed(failing) from None

    def _run_job(self, text: str, service: str, progress: Callable[[str], None]) -> None:
        """Run a job, or wait for the one that who held the promotion before has left running."""
        part = Part(oneoff.name_of(service), self._definition.parts[service].image, 1, {}, False)
        seconds = self._target.pre_deploy_timeout
        limit = Limit(math.inf if seconds is None else seconds, ", as pre_deploy.timeout says")
        try:
            if self._is_running(part):
                self._watch(Watch({part.name: part}, cluster.NOTHING, progress), limit)
                return
            self._remove(part.name)
            self._roll_out(text, {part.name: part}, progress=progress, limit=limit)
        except DeployError as error:
            error.hint = UNTOUCHED
            raise
        finally:
            self._remove(part.name)

    def _is_running(self, job: Part) -> bool:
        stack = self._read()
        present = stack.services.get(job.name)
        if present is None or present.image != job.image:
            return False
        return any(task.wanted for task in stack.tasks_of(present))

    def _remove(self, service: str) -> None:
        with suppress(Refused):
            self._docker.run("service", "rm", self._named(service))

    def _failed(self, failing: Failing) -> DeployError:
        log = ("service", "logs", "--raw", failing.container)
        ran = failing.container and failing.host != NOWHERE.name
        tail = self._docker.log_tail(*log) if ran else []
        return DeployError(
            self._masked(failing.what),
            service=failing.service,
            host=failing.host or self._host,
            log=self._masked("\n".join(tail)).splitlines(),
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

    def _masked(self, text: str) -> str:
        return mask(text, self._definition)

    def _stack_deploy(self, text: str, *options: str) -> None:
        with logins.of(self._target.pull_config) as variables:
            words, limit = self._words(*options), self._target.timeout
            deploy = partial(self._call, text, *words, variables=variables, limit=limit)
            give_up = time.monotonic() + _PATIENCE
            while True:
                try:
                    deploy()
                except Refused as refused:
                    if time.monotonic() >= give_up or not _PASSING.search(refused.complaint):
                        raise
                else:
                    return
                time.sleep(INTERVAL)

    def _call(
        self, text: str, *words: str, variables: Mapping[str, str] = _NONE, limit: float = CALL
    ) -> str:
        given = {**self.deployment.variables, **variables}
        definition, stack = self._definition, self._target.project
        with with_files(text, lambda: definition.resolved, stack) as written:
            return self._docker.run(*words, text=written, variables=given, limit=limit)

    def _words(self, *options: str) -> tuple[str, ...]:
        return ("stack", "deploy", *_FROM_INPUT, *_DEPLOY, *options, self._target.project)


def remains(target: Target) -> Remains:
    """Return the services of a stack."""
    docker = Docker(target)
    names = sorted(cluster.read(docker, target.project).services)
    return Remains(tuple(names), docker.line("stack", "rm", target.project))


def require_answer(target: Target) -> None:
    """See that the engine of a target answers."""
    Docker(target).require_answer()
