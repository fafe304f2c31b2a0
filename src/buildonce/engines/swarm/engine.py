"""Docker Swarm: a stack on several hosts, by way of one of its managers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from buildonce.engines import externals, pulling
from buildonce.engines.base import (
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
from buildonce.engines.definition import Definition
from buildonce.engines.docker import Docker, Refused
from buildonce.engines.secrets import mask
from buildonce.engines.swarm import applying, cluster, ingress, jobs, logins, tasks
from buildonce.engines.swarm.rollout import Rollout
from buildonce.engines.swarm.stackfile import stack_file
from buildonce.errors import PreconditionError


class Swarm:
    """Runs a release as one stack."""

    pulls = True

    def __init__(self, deployment: Deployment, docker: Docker | None = None) -> None:
        self.deployment = deployment
        self._target = deployment.target
        self._docker = docker or Docker(self._target)
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
        deploy = self._docker.line(*applying.words(self._target.project, "--prune"))
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
        """Run a command as a job of the stack; what it needs of third-party images starts first."""
        jobs.run(self._definition, service, command, progress)

    def deploy(self, progress: Callable[[str], None], still_ours: StillOurs = always_ours) -> None:
        """Have Swarm update what differs, and wait until all of it is up."""
        rollout = Rollout(self._definition, progress, still_ours)
        rollout.run(self.render(), self._definition.parts, "--prune")

    def running(self) -> list[Running]:
        """Return every task that runs or should, and a row for each that is missing.

        What a manager's own containers run is read from them. Of the other nodes' containers
        the manager knows what it told the node to run, and that the node says it runs: the
        bytes are what the task's digest names, as long as that node's engine is honest. Of a
        node that does not answer nothing can be told.
        """
        self._require_manager()
        stack = cluster.read(self._docker, self._target.project)
        rows = tasks.rows(self._docker, stack, self._definition.parts)
        return self.deployment.recognised(rows)

    def _require_usable(self) -> None:
        self._definition.require_usable()
        try:
            applying.check(self._definition, self.render())
        except Refused as refused:
            complaint = mask(refused.complaint, self._definition)
            raise self._definition.unusable(complaint) from None

    def _require_manager(self) -> None:
        if self._docker.run("info", "--format", "{{.Swarm.ControlAvailable}}").strip() != "true":
            raise PreconditionError(
                f"the engine of {self._target} is not a Swarm manager",
                hint="aim tool.buildonce.environments."
                f"{self._target.name}.host at a manager, or: {self._docker.line('swarm', 'init')}",
            )


def remains(target: Target) -> Remains:
    """Return the services of a stack."""
    docker = Docker(target)
    names = sorted(cluster.read(docker, target.project).services)
    return Remains(tuple(names), docker.line("stack", "rm", target.project))


def require_answer(target: Target) -> None:
    """See that the engine of a target answers."""
    Docker(target).require_answer()
