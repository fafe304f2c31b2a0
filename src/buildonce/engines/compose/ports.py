"""Ports that a Compose file publishes, and who has them already."""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from buildonce.engines.base import Target
from buildonce.engines.docker import Docker
from buildonce.engines.parts import replicas
from buildonce.errors import PreconditionError

_PUBLISHED = re.compile(r"(\S*):(\d+)(?:-(\d+))?->[^/]*/(tcp|udp)")
_LISTED = '{{.Names}}\t{{.Label "com.docker.compose.project"}}\t{{.Ports}}'
_ANY = ("", "0.0.0.0", "::", "[::]")  # noqa: S104  # nothing is bound to it here

REMEDY = "free that port, or publish another one"


@dataclass(frozen=True)
class Port:
    """A port of a host. Its address is empty where it is one of all addresses."""

    number: int
    protocol: str
    address: str = ""

    def clashes(self, other: Port) -> bool:
        """Tell whether two programs cannot have these at the same time."""
        same = (self.number, self.protocol) == (other.number, other.protocol)
        return same and (self.address == other.address or "" in (self.address, other.address))

    def __str__(self) -> str:
        place = f"{self.address}:" if self.address else ""
        return f"{place}{self.number}/{self.protocol}"


@dataclass(frozen=True)
class Taken:
    """A port that a service publishes and somebody else has.

    ``project`` is the Compose project that the holder belongs to, if it does to one.
    """

    service: str
    port: Port
    holder: str
    project: str = ""

    def __str__(self) -> str:
        return f"port {self.port}, which {self.service} publishes, is taken by {self.holder}"


def require_free(target: Target, taken: Iterable[Taken]) -> None:
    """See that nobody else has a port that is published.

    Raises:
        PreconditionError: somebody has one.
    """
    if listed := "; ".join(map(str, taken)):
        raise PreconditionError(f"{target}: {listed}", hint=REMEDY)


def taken_by_containers(definition: Mapping[str, Any], docker: Docker) -> Iterator[Taken]:
    """Give the published ports that containers of others, or of the file itself, have.

    ``definition`` is a resolved Compose file.

    Raises:
        UnavailableError: the engine does not answer.
    """
    wanted = published(definition)
    yield from twice(wanted)
    yield from _replicated(definition)
    holders = _holders(docker.run("ps", "--format", _LISTED), docker.target) if wanted else []
    for service, port in wanted:
        for name, project, held in holders:
            if port.clashes(held):
                yield Taken(service, port, f"the container {name}", project)
                break


def taken(definition: Mapping[str, Any], docker: Docker) -> Iterator[Taken]:
    """Give the published ports that somebody else has: a container, or a program.

    Programs are seen where the engine is this machine's.

    Raises:
        UnavailableError: the engine does not answer.
    """
    found = list(taken_by_containers(definition, docker))
    yield from found
    wanted = published(definition)
    if not (wanted and _is_local(docker.target.host)):
        return
    ours = _published_by(docker.target, docker)
    for service, port in wanted:
        known = any(port == one.port for one in found) or any(map(port.clashes, ours))
        if not known and is_bound(port):
            yield Taken(service, port, "a program on this machine")


def published(definition: Mapping[str, Any]) -> list[tuple[str, Port]]:
    """Return the services of a resolved Compose file with the ports that they publish.

    Of a range the engine takes whichever is free: that is none.
    """
    return [
        (
            name,
            Port(int(number), entry.get("protocol", "tcp"), _address(entry.get("host_ip") or "")),
        )
        for name, service in (definition.get("services") or {}).items()
        for entry in service.get("ports") or ()
        if (number := str(entry.get("published") or "")).isdecimal()
    ]


def twice(wanted: Sequence[tuple[str, Port]]) -> Iterator[Taken]:
    """Give the ports that two services of one file publish."""
    for number, (service, port) in enumerate(wanted):
        for other, held in wanted[:number]:
            if other != service and port.clashes(held):
                yield Taken(service, port, f"{other}, which publishes it too")
                break


def _replicated(definition: Mapping[str, Any]) -> Iterator[Taken]:
    services = definition.get("services") or {}
    for name, port in published(definition):
        wanted = replicas(services[name]) or 1
        if wanted > 1:
            yield Taken(name, port, f"the first of its {wanted} containers")


def listed(ports: str) -> list[Port]:
    """Return the ports that ``docker ps`` lists of a container."""
    return [
        Port(number, protocol, _address(address))
        for address, first, last, protocol in _PUBLISHED.findall(ports)
        for number in _numbers(first, last)
    ]


def is_bound(port: Port) -> bool:
    """Tell whether a program of this machine has a port."""
    if port.protocol != "tcp":
        return False
    family = socket.AF_INET6 if ":" in port.address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.address, port.number))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def _holders(rows: str, target: Target) -> list[tuple[str, str, Port]]:
    """Return the containers of other projects, with their projects and the ports that they have."""
    split = (line.split("\t") for line in rows.splitlines())
    return [
        (name, project, port)
        for name, project, ports in split
        if project != target.project
        for port in listed(ports)
    ]


def _published_by(target: Target, docker: Docker) -> list[Port]:
    """Return the ports that a project's own containers have."""
    label = f"label=com.docker.compose.project={target.project}"
    return listed(docker.run("ps", "--filter", label, "--format", "{{.Ports}}"))


def _address(text: str) -> str:
    return "" if text in _ANY else text.strip("[]")


def _numbers(first: str, last: str) -> range:
    return range(int(first), int(last or first) + 1)


def _is_local(host: str) -> bool:
    return (host or os.environ.get("DOCKER_HOST", "unix://")).startswith("unix://")
