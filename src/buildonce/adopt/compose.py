"""Services from a Compose file, and the file that runs them by digest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import yaml

from buildonce.adopt.dockerfiles import declared
from buildonce.adopt.service import Found
from buildonce.adopt.survey import Survey, below
from buildonce.errors import UsageError

PATTERNS = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
RELEASE = "compose.release.yaml"
_VARIABLE = re.compile(r"\$\$|\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(:?[-+?][^}]*)?\})")


@dataclass(frozen=True)
class ComposeFile:
    """A Compose file: its path and what it says."""

    path: str
    text: str
    services: Mapping[str, Mapping[str, Any]]
    document: Mapping[str, Any]

    @property
    def folder(self) -> str:
        """The folder that paths in it are relative to."""
        return str(PurePosixPath(self.path).parent)

    @property
    def release_path(self) -> str:
        """Where the file that runs releases is put: beside it, so that paths stay right."""
        return below(self.folder, RELEASE)


def compose_file(survey: Survey) -> ComposeFile | None:
    """Return the repository's Compose file, the one nearest to the root.

    Raises:
        UsageError: it is not YAML, or has no services.
    """
    paths = survey.named(*PATTERNS)
    if not paths:
        return None
    path, text = paths[0], survey.text(paths[0])
    try:
        document = yaml.safe_load(text)
        services = {str(name): dict(part or {}) for name, part in document["services"].items()}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"{path} cannot be read as a Compose file: {reason}", hint="docker compose config"
        ) from None
    return ComposeFile(path, text, services, document)


def built(survey: Survey, compose: ComposeFile) -> list[Found]:
    """Return what the Compose file builds; services that share a build share an image."""
    found: dict[tuple[object, ...], Found] = {}
    for name, part in compose.services.items():
        if part.get("build"):
            service = _built(survey, compose, name, part["build"])
            users = (*found[service.build].users, name) if service.build in found else (name,)
            found[service.build] = replace(found.get(service.build, service), users=users)
    return list(found.values())


def unset_variables(survey: Survey, compose: ComposeFile) -> list[str]:
    """Return the variables that have neither a default nor a value in a committed ``.env``."""
    env_file = below(compose.folder, ".env")
    lines = survey.text(env_file).splitlines() if survey.has(env_file) else []
    known = {line.partition("=")[0].strip() for line in lines if "=" in line}
    names: dict[str, None] = {}
    for match in _VARIABLE.finditer(compose.text):
        name, default = match[1] or match[2], match[3] or ""
        if name and not default.lstrip(":").startswith(("-", "+")) and name not in known:
            names[name] = None
    return list(names)


def _built(survey: Survey, compose: ComposeFile, name: str, build: Any) -> Found:
    settings: dict[str, Any] = {"context": build} if isinstance(build, str) else build
    context = below(compose.folder, str(settings.get("context") or "."))
    dockerfile = below(context, str(settings.get("dockerfile") or "Dockerfile"))
    return declared(
        survey,
        name,
        context,
        dockerfile,
        target=str(settings.get("target") or ""),
        args=_arguments(settings.get("args")),
        why=f"{compose.path}, service {name}",
    )


def _arguments(args: Any) -> dict[str, str]:
    """Return build arguments that have a value in the file itself."""
    pairs = (
        args.items() if isinstance(args, dict) else (str(one).split("=", 1) for one in args or [])
    )
    values = {str(pair[0]): pair[1] for pair in map(tuple, pairs) if len(pair) == 2}
    return {
        key: str(value)
        for key, value in values.items()
        if value is not None and "$" not in str(value)
    }
