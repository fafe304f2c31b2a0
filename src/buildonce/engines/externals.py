"""What a definition says is there already: external networks, volumes, configs and secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildonce.engines.composefile import used
from buildonce.engines.docker import Docker
from buildonce.errors import PreconditionError

_CREATE = {
    "networks": ("network", "create"),
    "volumes": ("volume", "create"),
    "configs": ("config", "create"),
    "secrets": ("secret", "create"),
}
_OVERLAY = ("networks", "swarm")
_EVERY_NODES = ("host", "bridge", "none")
_FROM_FILE = ("configs", "secrets")


_KINDS = {"compose": ("networks", "volumes"), "swarm": ("networks", "configs", "secrets")}
"""What each engine knows from elsewhere. Volumes of a Swarm are each node's own."""


def require(model: Mapping[str, Any], docker: Docker) -> None:
    """See that what services use, and no deploy makes, is there.

    Args:
        model: a definition as data, with every variable's value.
        docker: the client of the engine that has to have it.

    Raises:
        PreconditionError: it is not, with the command that makes it.
        UnavailableError: the engine does not answer.
    """
    missing = [
        (kind, name)
        for kind in _KINDS[docker.target.engine]
        for name in _missing(kind, _external(model, kind), docker)
    ]
    if not missing:
        return
    listed = ", ".join(f"the external {_CREATE[kind][0]} {name}" for kind, name in missing)
    raise PreconditionError(
        f"{docker.target} lacks {listed}",
        hint="; ".join(_remedy(docker, kind, name) for kind, name in missing),
    )


def _remedy(docker: Docker, kind: str, name: str) -> str:
    overlay = ["--driver", "overlay"] if (kind, docker.target.engine) == _OVERLAY else []
    command = docker.line(*_CREATE[kind], *overlay, name)
    return f"{command} FILE" if kind in _FROM_FILE else command


def _external(model: Mapping[str, Any], kind: str) -> set[str]:
    """Return the names that the engine knows those by which some service uses."""
    return {
        str(one.get("name") or name)
        for name, one in (model.get(kind) or {}).items()
        if one and one.get("external") and name in used(model, kind)
    }


def _missing(kind: str, names: set[str], docker: Docker) -> list[str]:
    found = docker.inspect(_CREATE[kind][0], sorted(names))
    if (kind, docker.target.engine) == _OVERLAY:
        found = [one for one in found if one["Scope"] == "swarm" or one["Name"] in _EVERY_NODES]
    known = {one.get("Name") or one["Spec"]["Name"] for one in found}
    return sorted(names - known)
