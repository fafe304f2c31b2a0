"""What is measured beside the tasks themselves: the old workflow, the floor, and a shell loop."""

from __future__ import annotations

import json
import shutil
import sys
from functools import reduce
from operator import add
from pathlib import Path

from buildonce import config
from buildonce.build import bake, policy
from buildonce.build.pins import Pins
from buildonce.git.repository import Git
from buildonce.refs import ImageRef

from .ground import Ground
from .measure import Sample

SERVICES = ("api", "worker")
BASE = "python:3.13-slim"
LEGACY = Path(__file__).with_name("legacy")

IMPORTED = ("invoke.main", "buildonce.tasks", "buildonce.commands.build", "buildonce.build.buildx")

COPY = """
set -eu
repositories=$1 from=$2 to=$3
for service in api worker; do
    skopeo copy --quiet --preserve-digests --src-tls-verify=false --dest-tls-verify=false \
        "docker://$repositories/$service:$from" "docker://$repositories/$service:$to"
done
"""
COMPARE = """
set -eu
repositories=$1
shift
for service in api worker; do
    for tag in "$@"; do
        skopeo inspect --raw --tls-verify=false "docker://$repositories/$service:$tag" | sha256sum
    done | uniq | wc -l | grep --quiet --line-regexp 1
done
"""


def legacy_job(ground: Ground, tag: str) -> Sample:
    """One job of the old workflow on a new runner: build and push each service under `tag`."""
    ground.renew_runner()
    repositories = f"{ground.registry.registry}/legacy"
    return reduce(add, (_build_and_push(ground, repositories, name, tag) for name in SERVICES))


def start(ground: Ground) -> Sample:
    """Python's start: the interpreter, and every module that `inv build --sha` imports."""
    return ground.measure(sys.executable, "-c", f"import {', '.join(IMPORTED)}")


def floor(ground: Ground) -> Sample:
    """`docker buildx bake` with the definition that `inv build --sha` would use for HEAD."""
    folder = ground.folder / "floor"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    file = folder / "bake.json"
    file.write_text(json.dumps(_definition(ground, folder)), encoding="utf-8")
    rules = folder / "policy.json"
    rules.write_text(json.dumps(policy.pinning([_pins(ground)])), encoding="utf-8")
    return ground.measure(
        *("env", f"{policy.VARIABLE}={rules}"),
        *("docker", "buildx", "bake", "--progress=plain", f"--file={file}"),
    )


def skopeo_promote(ground: Ground, pointer: str) -> Sample:
    """Point a tag of each service at the present commit's image, one after the other."""
    return ground.measure(
        "sh", "-c", COPY, "sh", _repositories(ground), ground.scratch.sha, pointer
    )


def skopeo_verify(ground: Ground, *tags: str) -> Sample:
    """Hash each service's manifest under each tag, and compare."""
    tags = (ground.scratch.sha, *tags)
    return ground.measure("sh", "-c", COMPARE, "sh", _repositories(ground), *tags)


def _repositories(ground: Ground) -> str:
    return ground.images.format(registry=ground.registry.registry, service="").rstrip("/")


def _build_and_push(ground: Ground, repositories: str, service: str, tag: str) -> Sample:
    image = f"{repositories}/{service}:{tag}"
    built = ground.measure(
        *("docker", "build", "--progress=plain", f"--tag={image}"),
        f"--file={LEGACY / service}.Dockerfile",
        f"--build-context={BASE}=docker-image://{ground.registry.base_image}",
        ".",
    )
    return built + ground.measure("docker", "push", "--quiet", image)


def _definition(ground: Ground, folder: Path) -> dict[str, object]:
    clone = ground.scratch.clone
    here = {"registry": ground.registry.registry, "image": ground.images}
    project = config.parse({**config.read_table(clone), **here})
    commit = Git(clone).commit()
    root = Git(clone).export(commit.revision, folder / "tree")
    sha = commit.sha(project.sha_length)
    pins = dict.fromkeys(SERVICES, _pins(ground))
    tags = {service: project.repository(service).tag(sha) for service in SERVICES}
    contexts = dict.fromkeys(SERVICES, root)
    return bake.definition(project, commit, root, contexts, tags, pins, None, tags)


def _pins(ground: Ground) -> Pins:
    return Pins(BASE, {BASE: ImageRef.parse(ground.registry.base_image)})
