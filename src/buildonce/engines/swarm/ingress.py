"""Ports that a stack publishes on every node of a Swarm, and who has them already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from buildonce.engines.compose.ports import Port, Taken, published, twice
from buildonce.engines.definition import Definition
from buildonce.engines.docker import Docker
from buildonce.engines.swarm.cluster import STACK

_HOST = "host"


def taken(definition: Definition, docker: Docker) -> Iterator[Taken]:
    """Give the ports that the stack publishes on all nodes and that other services have.

    Ports in host mode are left out: which node has them is known once its tasks are placed.

    Raises:
        UnavailableError: the engine does not answer.
    """
    wanted = published(_without_host_mode(definition.resolved))
    yield from twice(wanted)
    if not wanted:
        return
    services = docker.inspect("service", docker.run("service", "ls", "--quiet").split())
    holders = [
        (service["Spec"]["Name"], port)
        for service in services
        if (service["Spec"].get("Labels") or {}).get(STACK) != docker.target.project
        for port in _held(service)
    ]
    for service, port in wanted:
        for name, held in holders:
            if port.clashes(held):
                yield Taken(service, port, f"the service {name}")
                break


def _without_host_mode(definition: Mapping[str, Any]) -> dict[str, Any]:
    services = (definition.get("services") or {}).items()
    return {
        "services": {
            name: {"ports": [port for port in service.get("ports") or () if _is_shared(port)]}
            for name, service in services
        }
    }


def _is_shared(port: Mapping[str, Any]) -> bool:
    return port.get("mode") != _HOST


def _held(service: Mapping[str, Any]) -> list[Port]:
    listed = (service.get("Endpoint") or {}).get("Ports") or []
    return [
        Port(port["PublishedPort"], port["Protocol"])
        for port in listed
        if port.get("PublishMode") != _HOST and port.get("PublishedPort")
    ]
