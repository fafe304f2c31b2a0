"""Run a pre-deploy command as a job of the stack."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress

import yaml

from buildonce.engines.base import UNTOUCHED
from buildonce.engines.definition import Definition
from buildonce.engines.docker import Refused
from buildonce.engines.parts import Part
from buildonce.engines.swarm import cluster, oneoff
from buildonce.engines.swarm.rollout import Limit, Rollout
from buildonce.engines.swarm.stackfile import stack_file
from buildonce.errors import DeployError


def run(
    definition: Definition, service: str, command: Sequence[str], tell: Callable[[str], None]
) -> None:
    """Run a command in a service's container; what it needs of third-party images starts first.

    Raises:
        DeployError: it failed, or took too long.
        UsageError: the definition has no such service.
    """
    definition.require_part(service)
    project, parts = definition.deployment.target.project, definition.parts
    model = yaml.safe_load(stack_file(definition.text, project))
    present = cluster.read(definition.docker, project).services
    rollout = Rollout(definition, tell)
    ahead = [name for name in definition.foreign_needs(service) if name not in present]
    if ahead:
        rollout.run(oneoff.services(model, ahead), {name: parts[name] for name in ahead})
    job = Part(oneoff.name_of(service), parts[service].image, 1, {}, optional=False)
    _run(rollout, job, oneoff.job(model, service, command))


def _run(rollout: Rollout, job: Part, text: str) -> None:
    """Run a job, or wait for the one that who held the promotion before has left running."""
    definition = rollout.definition
    seconds = definition.deployment.target.pre_deploy_timeout
    limit = Limit(math.inf if seconds is None else seconds, ", as pre_deploy.timeout says")
    try:
        if _is_running(definition, job):
            rollout.wait(job, limit)
            return
        _remove(definition, job)
        rollout.run(text, {job.name: job}, limit=limit)
    except DeployError as error:
        error.hint = UNTOUCHED
        raise
    finally:
        _remove(definition, job)


def _is_running(definition: Definition, job: Part) -> bool:
    stack = cluster.read(definition.docker, definition.deployment.target.project)
    present = stack.services.get(job.name)
    if present is None or present.image != job.image:
        return False
    return any(task.wanted for task in stack.tasks_of(present))


def _remove(definition: Definition, job: Part) -> None:
    name = cluster.named(definition.deployment.target.project, job.name)
    with suppress(Refused):
        definition.docker.run("service", "rm", name)
