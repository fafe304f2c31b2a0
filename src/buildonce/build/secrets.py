"""Build secrets and SSH keys: where Buildx finds them, that they are there, what is never shown.

After docs.docker.com, "Build secrets": a RUN that mounts one sees it while it runs, and neither
the image nor a cache key has anything of it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from buildonce.config import BuildSecret, Project, Service
from buildonce.errors import PreconditionError

_AGENT = "SSH_AUTH_SOCK"


def options(service: Service) -> dict[str, list[str]]:
    """Return what a bake target says of a service's secrets: their places, no values."""
    secrets = [f"id={name},{_place(secret)}" for name, secret in service.secrets.items()]
    given = {"secret": secrets, "ssh": list(service.ssh)}
    return {key: value for key, value in given.items() if value}


def require(project: Project, services: Collection[str]) -> None:
    """See that all secrets of these services are there.

    Raises:
        PreconditionError: some are not; the message names them all.
    """
    missing = [
        f"service {name}: {problem}"
        for name in services
        for problem in lacking(project.service(name))
    ]
    if missing:
        raise PreconditionError(
            "\n".join(missing), hint="set the variable, or put the file there, and run it again"
        )


def lacking(service: Service) -> Iterator[str]:
    """Give what is not there of a service's secrets, in words."""
    for name, secret in service.secrets.items():
        if secret.variable and not os.environ.get(secret.variable):
            yield f"the variable {secret.variable}, for the secret {name}, is not set"
        if secret.file and not os.access(secret.file, os.R_OK):
            yield f"the file {secret.file}, for the secret {name}, cannot be read"
    for ssh in service.ssh:
        name, _, path = ssh.partition("=")
        if not path and not os.environ.get(_AGENT):
            yield f"no SSH agent runs, for ssh {name} ({_AGENT} is not set)"
        if path and not os.access(path, os.R_OK):
            yield f"{path}, for ssh {name}, cannot be read"


def values(project: Project, services: Collection[str]) -> list[str]:
    """Return the values of these services' secrets, as far as they are text."""
    given = [secret for name in services for secret in project.service(name).secrets.values()]
    return [_value(secret) for secret in given]


def _place(secret: BuildSecret) -> str:
    """Return where a secret is, as a field of CSV: a path may have commas."""
    if secret.variable:
        return f"env={secret.variable}"
    path = (secret.file or "").replace('"', '""')
    return f'"src={path}"'


def _value(secret: BuildSecret) -> str:
    if secret.variable:
        return os.environ.get(secret.variable, "")
    try:
        return Path(secret.file or "").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
