"""Ports that environments publish: which are taken, and which two of one host would have."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

from buildonce.app import App
from buildonce.config.fields import image_variable
from buildonce.doctor.findings import Finding
from buildonce.engines.base import Target
from buildonce.engines.compose.ports import REMEDY, Port, published, taken
from buildonce.engines.composefile import dump, names_in
from buildonce.engines.definition import NO_FOLDER
from buildonce.engines.docker import Docker
from buildonce.engines.sources import Sources
from buildonce.errors import BuildonceError
from buildonce.parallel import run_all
from buildonce.targets import target_of

_UNPRIVILEGED = 1024
_APART = 10_000
"""How far the ports are from each other that are proposed for environments of one host."""

_RANGE = re.compile(r"(\d+)(?:-(\d+))?")
_INFO = "{{.ID}} {{with .Swarm.Cluster}}{{.ID}}{{end}}"


@dataclass(frozen=True)
class Publisher:
    """An environment that publishes ports.

    ``places`` are what its host is known by. ``model`` is what its files say with its variables'
    values, ``written`` what the ports of each service are there, without them.
    """

    target: Target
    file: str
    model: Mapping[str, Any]
    places: frozenset[str] = frozenset()
    written: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def ports(self) -> list[tuple[str, Port]]:
        """Its services with the ports that they publish."""
        return published(self.model)

    def variables(self, service: str, number: int) -> list[str]:
        """Return the variables that a port is written with; none where it is a number there."""
        if self._written_as(service, number):
            return []
        entries = self.written.get(service, ())
        return list(dict.fromkeys(name for one in entries for name in names_in(one)))

    def in_range(self, service: str, number: int) -> bool:
        """Tell whether a port is one of a range that is written as such."""
        return any("-" in entry for entry in self._written_as(service, number))

    def _written_as(self, service: str, number: int) -> list[str]:
        entries = self.written.get(service, ())
        return [one for one in entries if number in _numbers(one) and not [*names_in(one)]]


@dataclass(frozen=True)
class Clash:
    """A port that two environments of one host would both publish.

    ``proposed`` is another one for the second of them.
    """

    first: Publisher
    second: Publisher
    services: tuple[str, str]
    port: Port
    proposed: int

    @property
    def finding(self) -> Finding:
        """What is said of it."""
        names = f"{self.first.target.name} and {self.second.target.name}"
        one, other = self.services
        what = one if one == other else f"{one} of the one and {other} of the other"
        return Finding(
            f"ports of {names}",
            f"{names} run on one host ({self.first.target.place}), and {what} would publish port "
            f"{self.port} in both",
            "problem", "whichever of them is deployed second is refused", self._remedy,
        )  # fmt: skip

    @property
    def _remedy(self) -> str:
        service, second = self.services[1], self.second
        where, number = f"{second.target.table}.variables", self.port.number
        if written := second.variables(service, number):
            return f"give {' or '.join(written)} another value in {where}"
        inside = _container_port(second.model, service, self.port)
        if second.in_range(service, number):
            return f"publish other ports of {service} in {second.target.name}: {second.file}"
        variable = image_variable(service).replace("BUILDONCE_IMAGE", "PORT") + f"_{inside}"
        address = f"{_written_address(self.port.address)}:" if self.port.address else ""
        return (
            f'in {second.file}, publish "{address}${{{variable}:-{number}}}:{inside}" of '
            f'{service}, and set {where}.{variable} = "{self.proposed}"'
        )


def examine(app: App) -> Iterator[Finding]:
    """See that the ports that environments publish are free, and that no two need the same."""
    environments = app.project.environments
    names = [name for name in environments if environments[name].engine in ("compose", "swarm")]
    publishers = [one for one in run_all(partial(_publisher, app), names) if one]
    shared = list(clashes(publishers))
    findings = [clash.finding for clash in shared]
    for publisher in publishers:
        findings += _taken(publisher, _neighbours(publisher, shared))
    yield from findings
    if publishers and not findings:
        yield Finding("ports", "free, and published by one environment of a host at most")


def clashes(publishers: Iterable[Publisher]) -> Iterator[Clash]:
    """Give each port of an environment that one before it, on the same host, publishes as well."""
    told = set()
    publishers = list(publishers)
    for first, second in combinations(publishers, 2):
        distance = publishers.index(second) * _APART
        if not first.places & second.places:
            continue
        for one, held in first.ports:
            for other, port in second.ports:
                key = (second.target.name, other, port)
                if port.clashes(held) and key not in told:
                    told.add(key)
                    yield Clash(first, second, (one, other), port, _beyond(port.number, distance))


def _beyond(number: int, distance: int) -> int:
    """Return a port that far from another one, and none of those that need privileges."""
    return _UNPRIVILEGED + (number + distance - _UNPRIVILEGED) % (2**16 - _UNPRIVILEGED)


def _publisher(app: App, name: str) -> Publisher | None:
    """Return what an environment would publish from HEAD; None where that cannot be told."""
    settings = app.project.environment(name)
    target = target_of(name, settings)
    docker = Docker(target)
    with suppress(BuildonceError), tempfile.TemporaryDirectory(prefix="buildonce-") as folder:
        root = app.git.export(app.commit().revision, Path(folder) / "tree")
        sources = Sources(docker, root, settings.files)
        written = _ports_alone(sources.read())
        ports = {
            service: [str(entry) for entry in part.get("ports") or ()]
            for service, part in written["services"].items()
        }
        values = sources.values({**os.environ, **settings.variables})
        model = _with_values(docker, written, values)
        return Publisher(target, settings.files[0], model, _places(docker), ports)
    return None


def _ports_alone(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the services with nothing but their ports, so that nothing else is in the way."""
    services = {
        name: {"image": "x", **_published_part(part)}
        for name, part in (model.get("services") or {}).items()
        if part
    }
    return {"services": services}


def _published_part(service: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides the ports of a service: they, whether it runs, and how many times."""
    part = {key: service[key] for key in ("ports", "profiles", "scale") if key in service}
    replicas = (service.get("deploy") or {}).get("replicas")
    return part if replicas is None else {**part, "deploy": {"replicas": replicas}}


def _with_values(
    docker: Docker, model: Mapping[str, Any], values: Mapping[str, str]
) -> dict[str, Any]:
    """Return a definition with its variables' values."""
    return docker.config(*NO_FOLDER, "--file", "-", text=dump(model), variables=values)


def _places(docker: Docker) -> frozenset[str]:
    """Return what a host is known by: its address, and what its engine calls itself."""
    known = [docker.target.host]
    with suppress(BuildonceError):
        known += docker.run("info", "--format", _INFO).split()
    return frozenset(known)


def _taken(publisher: Publisher, neighbours: frozenset[str]) -> Iterator[Finding]:
    name = publisher.target.name
    if publisher.target.engine != "compose":
        return
    with suppress(BuildonceError):
        for one in taken(publisher.model, Docker(publisher.target)):
            if one.project not in neighbours:
                yield Finding(
                    f"ports of {name}", str(one), "problem",
                    f"nothing can be deployed to {name}", REMEDY,
                )  # fmt: skip


def _neighbours(publisher: Publisher, shared: Iterable[Clash]) -> frozenset[str]:
    """Return the projects whose ports are told to clash with an environment's."""
    pairs = [(clash.first.target, clash.second.target) for clash in shared]
    return frozenset(
        other.project
        for pair in pairs
        for other in pair
        if publisher.target in pair and other != publisher.target
    )


def _numbers(entry: str) -> set[int]:
    """Return every number that a port is written with, those of ranges included."""
    ranges = (range(int(one), int(last or one) + 1) for one, last in _RANGE.findall(entry))
    return {number for numbers in ranges for number in numbers}


def _written_address(address: str) -> str:
    """Return an address as it stands before a port: that of IPv6 is in brackets."""
    return f"[{address}]" if ":" in address else address


def _container_port(model: Mapping[str, Any], service: str, port: Port) -> int:
    """Return the port of the container that is published."""
    entries = model["services"][service]["ports"]
    found = (one["target"] for one in entries if str(one.get("published")) == str(port.number))
    return int(next(found))
