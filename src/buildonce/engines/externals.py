"""What a definition says is there already: external networks, volumes, configs and secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from buildonce.engines.docker import Docker
from buildonce.errors import PreconditionError

_CREATE = {
    "networks": ("network", "create"),
    "volumes": ("volume", "create"),
    "configs": ("config", "create"),
    "secrets": ("secret", "create"),
}
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
    kind, name = missing[0]
    file = " FILE" if kind in _FROM_FILE else ""
    raise PreconditionError(
        f"{docker.target} lacks {listed}",
        hint=f"{docker.line(*_CREATE[kind], name)}{file}   (or correct the name and commit it)",
    )


def _external(model: Mapping[str, Any], kind: str) -> set[str]:
    """Return the names that the engine knows those by which some service uses."""
    declared = model.get(kind) or {}
    services = (model.get("services") or {}).values()
    used = {name for service in services for name in _uses(service or {}, kind)}
    return {
        str(one.get("name") or name)
        for name, one in declared.items()
        if one and one.get("external") and name in used
    }


def _uses(service: Mapping[str, Any], kind: str) -> Iterator[str]:
    if kind == "networks":
        alone = "network_mode" in service
        yield from service.get("networks") or ([] if alone else ["default"])
        return
    for use in service.get(kind) or ():
        if use.get("source") and use.get("type", "volume") == "volume":
            yield use["source"]


def _missing(kind: str, names: set[str], docker: Docker) -> list[str]:
    found = docker.inspect(_CREATE[kind][0], sorted(names))
    known = {one.get("Name") or one["Spec"]["Name"] for one in found} | {
        one["ID"] for one in found if "ID" in one
    }
    return sorted(names - known)
