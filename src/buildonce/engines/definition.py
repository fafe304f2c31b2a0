"""The project's own Compose or stack file, as Compose reads it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from buildonce.engines import images
from buildonce.engines.base import Deployment, Resolved, Target
from buildonce.engines.bundle import make_bundle
from buildonce.engines.composefile import (
    AS_WRITTEN,
    contents,
    names_in,
    required_variables,
    shared,
    source_variables,
)
from buildonce.engines.docker import Docker, Refused
from buildonce.engines.parts import Part
from buildonce.engines.paths import NOWHERE, has_variable_paths, relative_paths
from buildonce.engines.sources import Sources
from buildonce.errors import UsageError

NO_FOLDER = ("--project-directory", NOWHERE)
"""The option of Compose for a definition that has no folder of its own."""


def how_to_set(variable: str, target: Target) -> str:
    """Return how variables of a target's files get a value; ``variable`` may have a default."""
    default = f", or give it a default: ${{{variable}:-}}" if variable else ""
    return (
        f"set it in the environment of this command, or under [{target.table}.variables]{default}"
    )


@dataclass(frozen=True)
class Definition:
    """A deployment's Compose or stack file: each reading of it is made once."""

    deployment: Deployment
    docker: Docker

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.deployment.files.name

    @cached_property
    def bundle(self) -> str:
        """The deployment's files as one self-contained text; images are variables.

        Raises:
            UsageError: they refer to something that cannot travel with a release.
        """
        if self.deployment.bundle is not None:
            return self.deployment.bundle
        files = self.deployment.files
        with tempfile.TemporaryDirectory(prefix="buildonce-") as folder:
            root = files.export(Path(folder) / "tree")
            return make_bundle(Sources(self.docker, root, files.paths))

    @cached_property
    def text(self) -> str:
        """The bundle with the release's images in it; other variables stay.

        Raises:
            UsageError: an image has no place, or one is asked for that the release lacks.
        """
        return images.fill_in(self.bundle, self.deployment)

    def require_variables(self) -> None:
        """See that every variable has a value or a default.

        Raises:
            UsageError: naming each that has not, and where it is used.
        """
        given = {*os.environ, *self.deployment.variables, *self._project}
        sources = source_variables(self.model)
        missing = sorted(required_variables(self.text, given) | (sources - given))
        if missing:
            locate = self.deployment.files.locate
            optional = next((name for name in missing if name not in sources), "")
            listed = "\n  ".join(f"{locate(name) or self.name}: {name}" for name in missing)
            raise UsageError(
                f"{self.deployment.target.name} needs a value for:\n  {listed}",
                hint=how_to_set(optional, self.deployment.target),
            )

    def require_usable(self) -> None:
        """See that Compose can read it, that every variable has a value, and every path a place.

        Raises:
            UsageError: it cannot, a variable has neither value nor default, or the value of one
                makes a path of the repository.
        """
        _ = self.parts
        self.require_variables()
        for path in relative_paths(self.resolved) if has_variable_paths(self.model) else ():
            raise UsageError(
                f"{self.name}: {path}, a path of the repository, by the value of a variable",
                hint="give that variable an absolute path of the host, or the name of a volume",
            )

    @cached_property
    def model(self) -> dict[str, Any]:
        """The definition as data, variables as they are written.

        Raises:
            UsageError: Compose cannot read it.
        """
        try:
            return self._config(*AS_WRITTEN)
        except Refused as refused:
            raise self.unusable(refused.complaint) from None

    @cached_property
    def resolved(self) -> dict[str, Any]:
        """The definition as data, with every variable's value; empty where one is missing."""
        try:
            return self._config(variables=self.deployment.variables)
        except Refused:
            return {}

    @cached_property
    def parts(self) -> dict[str, Part]:
        """The definition's services by name. No variable needs a value for that.

        Raises:
            UsageError: Compose cannot read the definition, or one of the project's own images
                is in it by tag.
        """
        services = self.model.get("services", {}).items()
        found = {name: Part.read(name, service or {}) for name, service in services}
        images.require_digests(found.values(), self.deployment)
        return found

    def decided(self) -> Resolved:
        """Return the names of the variables, and what their values make of each service."""
        model, values = self.resolved, {**os.environ, **self.deployment.variables}
        return Resolved(
            tuple(sorted({*names_in(self.text), *source_variables(model)})),
            {
                name: json.dumps(
                    [service, contents(service, model, values), shared(service, model)],
                    sort_keys=True,
                )
                for name, service in (model.get("services") or {}).items()
            },
        )

    def require_part(self, name: str) -> None:
        """See that the definition has a service.

        Raises:
            UsageError: it has not.
        """
        if name not in self.parts:
            raise UsageError(
                f"{self.name} has no service {name}", hint=f"it has {', '.join(self.parts)}"
            )

    def foreign_needs(self, service: str) -> list[str]:
        """Return the services of third-party images that a service needs, also at second hand."""
        own = {ref.reference for ref in self.deployment.images.values()}
        found: list[str] = []
        wanted = list(self.parts[service].needs)
        while wanted:
            name = wanted.pop()
            if name in self.parts and name not in found and self.parts[name].digest not in own:
                found.append(name)
                wanted += self.parts[name].needs
        return found

    def unusable(self, complaint: str) -> UsageError:
        """Return the error for a definition that a tool does not take."""
        return UsageError(
            f"{self.name} of release {self.deployment.sha} cannot be used: {complaint}",
            hint="set what is missing, or correct the file and commit it",
        )

    @property
    def _project(self) -> dict[str, str]:
        """What Compose sets itself, by the project that it is told."""
        target = self.deployment.target
        return {"COMPOSE_PROJECT_NAME": target.project} if target.engine == "compose" else {}

    def _config(self, *options: str, variables: Mapping[str, str] | None = None) -> dict[str, Any]:
        project = [word for name in self._project.values() for word in ("--project-name", name)]
        place = (*NO_FOLDER, *project, "--file", "-")
        return self.docker.config(*place, options=options, text=self.text, variables=variables)
