"""What Skaffold builds, and the environments that kustomizations have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import yaml

from buildonce.adopt.dockerfiles import declared
from buildonce.adopt.service import Found, slug
from buildonce.adopt.survey import Survey, below

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_WORKLOADS = {"CronJob", "DaemonSet", "Deployment", "Job", "Pod", "StatefulSet"}
_ORDER = ("dev", "test", "qa", "int", "stag", "pre", "prod", "live")


def artifacts(survey: Survey) -> list[Found]:
    """Return what ``skaffold.yaml`` builds with Docker."""
    found = []
    for path in survey.named("skaffold.yaml", "skaffold.yml"):
        folder = str(PurePosixPath(path).parent)
        for document in documents(survey, path):
            for artifact in (document.get("build") or {}).get("artifacts") or []:
                found.append(_artifact(survey, path, folder, artifact))
    return found


def overlays(survey: Survey) -> dict[str, str]:
    """Return the folder of each environment that has a kustomization, the first one first.

    An overlay is a folder beside others, as in ``overlays/staging``; bases and components
    are none.
    """
    folders = [str(PurePosixPath(path).parent) for path in survey.named(*KUSTOMIZATIONS)]
    found = {slug(PurePosixPath(folder).name): folder for folder in folders if _is_overlay(folder)}
    return dict(sorted(found.items(), key=lambda item: (_rank(item[0]), item[0])))


def manifests(survey: Survey) -> list[str]:
    """Return the files that have a workload of Kubernetes in them."""
    return [
        path
        for path in survey.named("*.yaml", "*.yml")
        if any(document.get("kind") in _WORKLOADS for document in documents(survey, path))
    ]


def documents(survey: Survey, path: str) -> Iterator[dict[str, Any]]:
    """Give the tables in a YAML file; nothing where it is no YAML, as a chart's template."""
    text = survey.text(path)
    try:
        found = list(yaml.safe_load_all(text))
    except (yaml.YAMLError, ValueError):
        return
    yield from (document for document in found if isinstance(document, dict))


def _artifact(survey: Survey, path: str, folder: str, artifact: dict[str, Any]) -> Found:
    docker = artifact.get("docker") or {}
    context = below(folder, str(artifact.get("context") or "."))
    dockerfile = below(context, str(docker.get("dockerfile") or "Dockerfile"))
    image = str(artifact.get("image", ""))
    args = {
        str(key): str(value)
        for key, value in (docker.get("buildArgs") or {}).items()
        if value is not None and "{{" not in str(value)
    }
    return declared(
        survey,
        image.rpartition("/")[2],
        context,
        dockerfile,
        target=str(docker.get("target") or ""),
        args=args,
        why=f"{path}, artifact {image}",
    )


def _is_overlay(folder: str) -> bool:
    parts = PurePosixPath(folder).parts
    return len(parts) > 1 and parts[-2] in ("overlays", "environments", "envs", "clusters")


def _rank(name: str) -> int:
    return next((rank for rank, start in enumerate(_ORDER) if name.startswith(start)), 4)
