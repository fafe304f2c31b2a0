"""The table ``[tool.buildonce]`` as a whole, and what its parts say of each other."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from pydantic import Field, model_validator

from buildonce.config.environments import Environment, Table
from buildonce.config.fields import (
    GitName,
    ImageName,
    Name,
    NameWithoutDots,
    Platform,
    image_variable,
)
from buildonce.config.services import Service
from buildonce.durations import Duration
from buildonce.errors import BuildonceError, UsageError
from buildonce.refs import Repository, full_reference

TABLE = "tool.buildonce"
RESERVED_TAGS = frozenset({"buildcache", "dev", "latest"})


AnyTable = TypeVar("AnyTable", bound=Table)


class Prune(Table):
    """What `inv prune` keeps, beyond what environments run or need."""

    keep_releases: int = Field(20, ge=1, description="The newest releases.")
    keep_for: Duration = Field("30d", validate_default=True, description="Younger releases.")
    keep_rollbacks: int = Field(
        3, ge=1, le=20, description="For each environment, the last releases that it ran."
    )


class Project(Table):
    """The whole table, checked."""

    registry: str = Field(description="Registry, and a path in it: `ghcr.io/acme`.")
    image: str = Field(
        "{registry}/{service}",
        description="The images' names; `{registry}` and `{service}` are filled in.",
    )
    insecure: bool = Field(
        False, description="The registry speaks plain HTTP. Loopback always may; no other should."
    )
    platform: Platform | tuple[Platform, ...] = Field(
        "linux/amd64",
        description="The platform that images are built for; of several, an image is an index.",
    )
    sha_length: int = Field(12, ge=7, le=40, description="Hex digits of a commit in its tag.")
    cache: bool = Field(True, description="Keep the layer cache in the registry (`:buildcache`).")
    reuse: bool = Field(
        True,
        description="Take over the image of the same inputs from another commit, instead of "
        "building it for each commit.",
    )
    source: str | None = Field(
        None, description="The source code's address, for a label. Default: the git remote's."
    )
    bases: dict[ImageName, ImageName] = Field(
        default_factory=dict,
        description="Images that stand in for those that Dockerfiles take from outside, to pin or "
        "replace them.",
    )
    ledger_branch: GitName = Field("release-ledger", description="The git branch of the ledger.")
    ledger_remote: GitName = Field(
        "origin",
        description="The git remote of the ledger; a repository without any remote keeps it local.",
    )
    create_repository: tuple[str, ...] = Field(
        (),
        description="A command that creates a repository, where the registry wants that before the "
        "first push: `{registry}` and `{path}` are filled in.",
    )
    notify: tuple[str, ...] = Field(
        (), description="A command that gets each promotion's outcome as JSON: its standard input."
    )
    prune: Prune = Field(default_factory=Prune, description="What `inv prune` keeps.")
    services: dict[NameWithoutDots, Service] = Field(
        min_length=1, description="The services, by name."
    )
    environments: dict[Name, Environment] = Field(
        default_factory=dict, description="The environments, by name."
    )

    @model_validator(mode="after")
    def _is_coherent(self) -> Project:
        if not self.platforms or len(set(self.platforms)) < len(self.platforms):
            raise ValueError("platform: needs one, or several different ones")
        places = {name: str(_repository(self, name)) for name in self.services}
        _require_distinct(places, "image: {} and {} would share {}")
        meant = {name: full_reference(name) for name in self.bases}
        _require_distinct(meant, "bases: {} and {} are both {}")
        variables = {name: image_variable(name) for name in self.services}
        _require_distinct(variables, "services: {} and {} would share the variable {}")
        for name, environment in self.environments.items():
            self._check_environment(name, environment)
        return self

    def _check_environment(self, name: str, environment: Environment) -> None:
        where = f"environments.{name}"
        if environment.registry:
            places = {service: str(self.place_of(service, name)) for service in self.services}
            _require_distinct(places, f"{where}.image: {{}} and {{}} would share {{}}")
            if not any(place.startswith(environment.registry) for place in places.values()):
                raise ValueError(f"{where}.registry: `image` does not use {{registry}}")
        if name in RESERVED_TAGS or re.fullmatch(rf"[0-9a-f]{{{self.sha_length}}}", name):
            raise ValueError(f"{where}: the tag {name!r} is used for something else")
        if environment.after is not None and environment.after not in self.environments:
            known = suggest(environment.after, self.environments)
            raise ValueError(f"{where}.after: there is no environment {environment.after!r}{known}")
        for service in environment.services:
            self._check_service(f"{where}.services", service)
        command = environment.pre_deploy
        if command is not None:
            self._check_service(f"{where}.pre_deploy.service", command.service)
            if environment.services and command.service not in environment.services:
                raise ValueError(
                    f"{where}.pre_deploy.service: {command.service} is none of {where}.services"
                )
        self._check_order(name)

    def _check_service(self, where: str, service: str) -> None:
        if service not in self.services:
            known = suggest(service, self.services)
            raise ValueError(f"{where}: there is no service {service!r}{known}")

    def _check_order(self, name: str) -> None:
        seen = [name]
        while (before := self.environments[seen[-1]].after) in self.environments:
            assert before is not None
            if before in seen:
                circle = " after ".join([*seen, before])
                raise ValueError(f"environments.{name}.after: {circle} is a cycle")
            seen.append(before)

    def repository(self, service: str) -> Repository:
        """Return the place of a service's images.

        Raises:
            UsageError: there is no such service.
        """
        self.service(service)
        return self.place_of(service)

    def place_of(self, service: str, environment: str = "") -> Repository:
        """Return where a service's images lie, or where an environment pulls them from.

        Also those of a service, and of an environment, that is configured no longer.
        """
        table = self.environments.get(environment)
        if table is None or not table.registry:
            return _repository(self, service)
        template = table.image or self.image
        return _filled_in(template, table.registry, service, f"environments.{environment}.image")

    def service(self, name: str) -> Service:
        """Return a service by name.

        Raises:
            UsageError: there is none; the message lists those there are.
        """
        return _named(self.services, name, "service")

    def environment(self, name: str) -> Environment:
        """Return an environment by name.

        Raises:
            UsageError: there is none; the message lists those there are.
        """
        return _named(self.environments, name, "environment")

    def has_own_registry(self, environment: str) -> bool:
        """Tell whether an environment pulls from a registry of its own."""
        table = self.environments.get(environment)
        return bool(table and table.registry)

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms that images are built for."""
        return (self.platform,) if isinstance(self.platform, str) else self.platform

    @property
    def plain_http(self) -> frozenset[str]:
        """The registries that speak plain HTTP by the configuration."""
        tables: list[Project | Environment] = [self, *self.environments.values()]
        return frozenset(table.registry.partition("/")[0] for table in tables if table.insecure)

    @property
    def built(self) -> tuple[str, ...]:
        """The services that are built here; the others have an image from elsewhere."""
        return tuple(name for name, table in self.services.items() if not table.image)

    def dockerfile(self, service: str) -> str:
        """Return the path of a service's Dockerfile, relative to the repository's root."""
        table = self.service(service)
        if table.dockerfile:
            return table.dockerfile
        folder = service if table.context == "." else table.context
        return f"{folder}/Dockerfile"


def suggest(word: str, known: Iterable[str]) -> str:
    """Return ``; perhaps you meant …`` for a near miss, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; perhaps you meant {near[0]!r}" if near else ""


def _named(table: Mapping[str, AnyTable], name: str, kind: str) -> AnyTable:
    if name in table:
        return table[name]
    listed = ", ".join(table) or "none"
    raise UsageError(
        f"there is no {kind} {name!r}{suggest(name, table)}",
        hint=f"the {kind}s of [{TABLE}]: {listed}",
    )


def _require_distinct(values: Mapping[str, str], message: str) -> None:
    owners: dict[str, str] = {}
    for name, value in values.items():
        if value in owners:
            raise ValueError(message.format(owners[value], name, value))
        owners[value] = name


def _repository(project: Project, service: str) -> Repository:
    table = project.services.get(service)
    if table and table.image:
        return Repository.parse(table.image)
    return _filled_in(project.image, project.registry, service, "image")


def _filled_in(template: str, registry: str, service: str, where: str) -> Repository:
    try:
        return Repository.parse(template.format(registry=registry, service=service))
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        raise ValueError(
            f"{where}: {template!r} may use {{registry}} and {{service}} only"
        ) from None
    except BuildonceError as error:
        _require_registry(registry, where.removesuffix("image") + "registry")
        raise ValueError(f"{where}: {error.message}") from None


def _require_registry(registry: str, where: str) -> None:
    """See that a registry is one: an image's name that has it in it says less.

    Raises:
        ValueError: it is none.
    """
    try:
        Repository.parse(f"{registry}/x")
    except BuildonceError:
        raise ValueError(
            f"{where} = {registry!r}: must be a registry, and a path in it in lower-case letters: "
            "'ghcr.io/acme'"
        ) from None
