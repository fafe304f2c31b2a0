"""Services from what Skaffold builds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from buildonce.adopt.dockerfiles import declared
from buildonce.adopt.manifests import documents, without_tag
from buildonce.adopt.service import Found
from buildonce.adopt.survey import Survey, below


def artifacts(survey: Survey) -> list[Found]:
    """Return what ``skaffold.yaml`` builds with Docker."""
    found = []
    for path in survey.named("skaffold.yaml", "skaffold.yml"):
        folder = str(PurePosixPath(path).parent)
        for document in documents(survey, path):
            for artifact in (document.get("build") or {}).get("artifacts") or []:
                found.append(_artifact(survey, path, folder, artifact))
    return found


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
    found = declared(
        survey,
        image.rpartition("/")[2],
        context,
        dockerfile,
        target=str(docker.get("target") or ""),
        args=args,
        why=f"{path}, artifact {image}",
    )
    return replace(found, image=without_tag(image))
