"""The workflow that is replaced: every environment's job builds every service on a new runner."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import add

from .floor import BASE
from .ground import Project
from .measure import Sample

JOBS = ("staging", "prod")


def workflow(project: Project, dockerfiles: Mapping[str, str]) -> Sample:
    """Run the jobs one after the other, each on a new runner.

    Args:
        project: what is built.
        dockerfiles: the path of each service's Dockerfile.
    """
    return reduce(add, (_job(project, tag, dockerfiles) for tag in JOBS))


def _job(project: Project, tag: str, dockerfiles: Mapping[str, str]) -> Sample:
    project.ground.renew_runner()
    built = (_build_and_push(project, name, tag, path) for name, path in dockerfiles.items())
    return reduce(add, built)


def _build_and_push(project: Project, service: str, tag: str, dockerfile: str) -> Sample:
    registry = project.ground.registry
    image = f"{registry.registry}/old/{project.clone.parent.name}/{service}:{tag}"
    built = project.measure(
        *("docker", "build", "--progress=plain", f"--tag={image}", f"--file={dockerfile}"),
        f"--build-context={BASE}=docker-image://{registry.base_image}",
        ".",
    )
    return built + project.measure("docker", "push", "--quiet", image)
