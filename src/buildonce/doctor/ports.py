"""Ports that a Compose file publishes, and who has them already."""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from buildonce.engines.base import Deployment
from buildonce.engines.definition import Definition
from buildonce.engines.docker import Docker

_PUBLISHED = re.compile(r":(\d+)(?:-(\d+))?->[^/]*/(tcp|udp)")
_LISTED = '{{.Names}}\t{{.Label "com.docker.compose.project"}}\t{{.Ports}}'

Port = str
"""A port of a host with its protocol: ``8080/tcp``."""


def taken_ports(deployment: Deployment) -> Iterator[tuple[Port, str]]:
    """Give each published port that somebody else has, and who: a container or a program.

    Programs are seen where the engine is this machine's.

    Raises:
        UnavailableError: the engine does not answer.
    """
    target = deployment.target
    docker = Docker(target)
    holders = _holders(docker.run("ps", "--format", _LISTED))
    for port in published(Definition(deployment, docker).resolved):
        name, project = holders.get(port, ("", target.project))
        if project != target.project:
            yield port, f"the container {name}"
        elif not name and _is_local(target.host) and is_bound(port):
            yield port, "a program on this machine"


def published(definition: Mapping[str, Any]) -> list[Port]:
    """Return the ports of a host that a resolved Compose file publishes."""
    return [
        f"{number}/{entry.get('protocol', 'tcp')}"
        for service in (definition.get("services") or {}).values()
        for entry in service.get("ports") or ()
        for number in _numbers(*str(entry.get("published") or "").partition("-")[::2])
    ]


def _holders(listed: str) -> dict[Port, tuple[str, str]]:
    """Return the name and the Compose project of the container that has each port."""
    rows = (line.split("\t") for line in listed.splitlines())
    return {
        f"{number}/{protocol}": (name, project)
        for name, project, ports in rows
        for first, last, protocol in _PUBLISHED.findall(ports)
        for number in _numbers(first, last)
    }


def _numbers(first: str, last: str) -> range:
    return range(int(first), int(last or first) + 1) if first else range(0)


def _is_local(host: str) -> bool:
    return (host or os.environ.get("DOCKER_HOST", "unix://")).startswith("unix://")


def is_bound(port: Port) -> bool:
    """Tell whether a program of this machine has a port."""
    number, _, protocol = port.partition("/")
    if protocol != "tcp":
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", int(number)))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False
