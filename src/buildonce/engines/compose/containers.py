"""The containers of a Compose project on one engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from buildonce.engines.base import Running
from buildonce.engines.compose.watching import completed
from buildonce.engines.docker import Docker, Refused
from buildonce.engines.inspected import Container, manifest_digests
from buildonce.engines.parts import Part
from buildonce.refs import Digest


@dataclass(frozen=True)
class Project:
    """Finds containers by the label that Compose gives them."""

    docker: Docker
    name: str

    def containers(self) -> list[Container]:
        """Return every container, also those that do not run."""
        return [Container.read(inspected) for inspected in self._inspected()]

    def running(self, parts: Mapping[str, Part], host: str) -> list[Running]:
        """Return what each container runs, and a row for each container that is missing."""
        inspected = self._inspected()
        digests = self._digests(inspected)
        found = [Container.read(row) for row in inspected]
        strays = _strays(found, parts)
        rows = [
            Running(
                host=host,
                service=container.service,
                container=container.name,
                digest=digests[container.id],
                state="completed" if completed(container, parts) else container.state,
                expected=_expected(container.service, parts),
                stray=container.id in strays,
                remedy=self._removal(container) if container.one_off else "",
                definition=container.definition,
                counted=True,
            )
            for container in found
        ]
        return sorted(rows, key=lambda row: (row.service, row.container)) + [
            Running(host, part.name, "", None, "missing", part.digest)
            for part in parts.values()
            for _ in range(_missing(part, [c for c in found if c.id not in strays]))
        ]

    def is_running(self, container: str) -> bool:
        """Tell whether a container of this name runs."""
        found = self.docker.inspect("container", [container])
        return bool(found) and bool(found[0]["State"].get("Running"))

    def remove(self, container: str) -> None:
        """Remove a container by name, where there is one."""
        with suppress(Refused):
            self.docker.run("container", "rm", "--force", "--volumes", container)

    def _removal(self, container: Container) -> str:
        """Return what removes a container of ``compose run``, which Compose itself leaves."""
        return self.docker.line("rm", "--force", "--volumes", container.name)

    def _inspected(self) -> list[dict[str, Any]]:
        label = f"label=com.docker.compose.project={self.name}"
        ids = self.docker.run(
            "container", "ls", "--all", "--quiet", "--no-trunc", "--filter", label
        ).split()
        return self.docker.inspect("container", ids)

    def _digests(self, inspected: Collection[Mapping[str, Any]]) -> dict[str, Digest | None]:
        return manifest_digests(inspected, partial(self.docker.inspect, "image"))


def _expected(service: str, parts: Mapping[str, Part]) -> Digest | None:
    return parts[service].digest if service in parts else None


def _strays(found: Iterable[Container], parts: Mapping[str, Part]) -> set[str]:
    """Return the ids of those that no service of the definition accounts for."""
    by_service: dict[str, list[Container]] = defaultdict(list)
    strays = set()
    for container in found:
        if container.one_off or container.service not in parts:
            strays.add(container.id)
        else:
            by_service[container.service].append(container)
    for service, containers in by_service.items():
        wanted = parts[service].replicas
        surplus = sorted(containers, key=lambda c: c.number)[wanted:] if wanted is not None else []
        strays |= {container.id for container in surplus}
    return strays


def _missing(part: Part, found: Iterable[Container]) -> int:
    if part.optional:
        return 0
    wanted = 1 if part.replicas is None else part.replicas
    return max(0, wanted - sum(container.service == part.name for container in found))
