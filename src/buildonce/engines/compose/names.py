"""Names of containers that a Compose file chooses itself, and who has them already."""

from __future__ import annotations

from collections import Counter

from buildonce.engines.definition import Definition
from buildonce.engines.docker import Docker
from buildonce.errors import PreconditionError

_LISTED = '{{.Names}}\t{{.Label "com.docker.compose.project"}}'


def require_free(definition: Definition, docker: Docker) -> None:
    """See that no container of another project, and no two services, have the same name.

    Raises:
        PreconditionError: naming them.
        UnavailableError: the engine does not answer.
    """
    services = definition.resolved.get("services") or {}
    chosen = {
        name: service["container_name"]
        for name, service in services.items()
        if service.get("container_name")
    }
    taken = [
        f"the container name {chosen[name]}, which {name} has, is taken by {holder}"
        for name, holder in _holders(chosen, docker)
    ]
    if taken:
        raise PreconditionError(
            f"{docker.target}: {'; '.join(taken)}",
            hint="remove container_name, or make it differ by environment with a variable",
        )


def _holders(chosen: dict[str, str], docker: Docker) -> list[tuple[str, str]]:
    if not chosen:
        return []
    listed = docker.run("ps", "--all", "--format", _LISTED)
    rows = [line.split("\t") for line in listed.splitlines()]
    others = {name: project for name, project in rows if project != docker.target.project}
    twice = {name for name, count in Counter(chosen.values()).items() if count > 1}
    found = []
    for service, name in chosen.items():
        if name in others:
            whose = f"the project {others[name]}" if others[name] else "no project of Compose"
            found.append((service, f"a container of {whose}"))
        elif name in twice:
            found.append((service, "another service"))
    return found
