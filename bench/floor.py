"""What a build is compared with: Python's start, and Buildx alone."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from buildonce import config
from buildonce.build import bake, policy
from buildonce.build.pins import Pins
from buildonce.git.repository import Git
from buildonce.refs import ImageRef

from .ground import Project
from .measure import Sample

BASE = "python:3.13-slim"
IMPORTED = ("invoke.main", "buildonce.tasks", "buildonce.commands.build", "buildonce.build.buildx")


def start(project: Project) -> Sample:
    """Python's start: the interpreter, and every module that `inv build --sha` imports."""
    return project.measure(sys.executable, "-c", f"import {', '.join(IMPORTED)}")


def baked(project: Project, services: Sequence[str]) -> Sample:
    """`docker buildx bake` of services with the definition that `inv build --sha` would use."""
    folder = project.ground.folder / "floor"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    file = folder / "bake.json"
    pins = Pins(BASE, {BASE: ImageRef.parse(project.ground.registry.base_image)})
    definition = _definition(project, folder, dict.fromkeys(services, pins))
    file.write_text(json.dumps(definition), encoding="utf-8")
    rules = folder / "policy.json"
    rules.write_text(json.dumps(policy.pinning([pins])), encoding="utf-8")
    return project.measure(
        *("env", f"{policy.VARIABLE}={rules}"),
        *("docker", "buildx", "bake", "--progress=plain", f"--file={file}"),
    )


def _definition(project: Project, folder: Path, pins: dict[str, Pins]) -> dict[str, object]:
    here = {"registry": project.ground.registry.registry, "image": project.images}
    settings = config.parse({**config.read_table(project.clone), **here})
    repository = Git(project.clone)
    commit = repository.commit()
    root = repository.export(commit.revision, folder / "tree")
    sha = commit.sha(settings.sha_length)
    tags = {service: settings.repository(service).tag(sha) for service in pins}
    contexts = dict.fromkeys(pins, root)
    return bake.definition(settings, commit, root, contexts, tags, pins, None, tags)
