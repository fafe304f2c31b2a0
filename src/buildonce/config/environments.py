"""The tables of an environment, and what all tables share."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from buildonce.config.fields import (
    DATE,
    AbsolutePath,
    ArgumentName,
    GitName,
    Host,
    ImageName,
    Moment,
    Name,
    NameWithoutDots,
    PathInside,
    TimeZone,
    Url,
    is_weekly,
)
from buildonce.durations import Duration


class Table(BaseModel):
    """What every part of the configuration has in common: frozen, and no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Freeze(Table):
    """A window in which nothing is promoted: every week, or once.

    Its moments are those of the time zone's own wall clock.
    """

    start: Moment = Field(description="`Fri 16:00` for every week, or `2026-12-20 00:00` for once.")
    end: Moment = Field(description="When it ends, of the same kind.")
    timezone: TimeZone = Field(
        "UTC", description="The time zone, by its name in the IANA database: `Europe/Berlin`."
    )

    @model_validator(mode="after")
    def _is_a_window(self) -> Freeze:
        if is_weekly(self.start) != is_weekly(self.end):
            raise ValueError("start and end must both be weekdays, or both dates")
        if self._is_empty():
            raise ValueError("end must come after start")
        return self

    def _is_empty(self) -> bool:
        if is_weekly(self.start):
            return self.start == self.end
        return datetime.strptime(self.end, DATE) <= datetime.strptime(self.start, DATE)


class PreDeploy(Table):
    """A command that runs once before a deploy, in a container of the new release."""

    service: NameWithoutDots = Field(
        description="The service whose image and settings it runs with."
    )
    command: tuple[str, ...] = Field(min_length=1, description="The program and its arguments.")
    timeout: Duration | None = Field(
        None, description="How long it may take: `10m`, `2h`. Default: as long as it needs."
    )


_OBSERVABLE = {"kubernetes"}
"""Engines that can tell what runs where another tool deploys."""

_NO_POLICY = {"variables", "pull_config"}
"""What is recorded elsewhere, or differs between machines."""


class Environment(Table):
    """A named place that runs one release at a time."""

    engine: Literal["none", "compose", "swarm", "kubernetes"] = Field(
        "none", description="What runs the containers. `none`: only pointers move."
    )
    file: PathInside | tuple[PathInside, ...] = Field(
        (),
        description="The Compose or stack file, with images as variables; or the manifests, or a "
        "folder with a kustomization. Or several. Kubernetes without it: another tool deploys, and "
        "`verify` reads what runs.",
    )
    project: NameWithoutDots | None = Field(
        None, description="The name of the Compose project, the stack or the set of objects."
    )
    host: Host = Field(
        "",
        description="Whose engine: `ssh://…`, `tcp://…`, `unix://…` or a docker context. "
        "Default: the docker client's own.",
    )
    context: Host = Field("", description="Kubernetes: the kubectl context; never the current one.")
    namespace: NameWithoutDots | None = Field(
        None, description="Kubernetes: the namespace, which must exist."
    )
    images: dict[NameWithoutDots, ImageName] = Field(
        default_factory=dict,
        description="Kubernetes: what the manifests call a service's image, where that is not its "
        "name in the registry; also for `inv images`.",
    )
    timeout: Duration | None = Field(
        None,
        description="How long until all containers are healthy. "
        "Default: `2m`, on Kubernetes `10m`.",
    )
    pre_deploy: PreDeploy | None = Field(
        None, description="A command to run once before another release is deployed: a migration."
    )
    variables: dict[ArgumentName, str] = Field(
        default_factory=dict, description="Values for the file's variables. Not for secrets."
    )

    services: tuple[NameWithoutDots, ...] = Field(
        (), description="The services that run there. Default: all."
    )
    registry: str = Field(
        "",
        description="A registry of its own that it pulls from, and a path in it: a promotion "
        "copies images there, byte for byte. Default: the project's.",
    )
    image: str = Field(
        "", description="The images' names in that registry. Default: the project's."
    )
    insecure: bool = Field(False, description="That registry speaks plain HTTP.")
    pull_config: AbsolutePath | None = Field(
        None,
        description="Swarm: a folder of the docker client whose logins the nodes keep and pull "
        "with, in the place of this client's.",
    )
    pointers: bool = Field(
        True,
        description="Keep a tag with the environment's name on what it runs; not where tags are "
        "immutable.",
    )
    url: Url = Field("", description="The environment's address, for GitHub's page of deployments.")

    after: Name | None = Field(
        None, description="The environment that must have run a release first."
    )
    soak: Duration | None = Field(
        None, description="How long a release must have run in `after`: `30m`, `1h30m`, `2d`."
    )
    freeze: tuple[Freeze, ...] = Field((), description="Windows in which nothing is promoted.")
    branches: tuple[GitName, ...] = Field(
        (), description="The commit must be on one of these branches. Default: any branch."
    )

    @property
    def patience(self) -> timedelta:
        """How long a deploy may take."""
        return self.timeout or timedelta(minutes=10 if self.engine == "kubernetes" else 2)

    @property
    def files(self) -> tuple[str, ...]:
        """The Compose or stack files, in order."""
        return (self.file,) if isinstance(self.file, str) else self.file

    @property
    def deploys(self) -> bool:
        """Whether a promotion deploys there; if not, it moves pointers only."""
        return self.engine != "none" and bool(self.files)

    @property
    def is_observed(self) -> bool:
        """Whether another tool deploys there, and what runs can be seen."""
        return self.engine != "none" and not self.files

    @property
    def policy(self) -> dict[str, str]:
        """Return the settings that differ from their defaults, as JSON by name."""
        said = self.model_dump(mode="json", exclude=_NO_POLICY, exclude_defaults=True)
        return {name: json.dumps(value, sort_keys=True) for name, value in said.items()}

    @property
    def elsewhere(self) -> str:
        """Return where it runs that others may reach as well; nothing on this machine alone."""
        return self.context or ("" if self.host.startswith("unix://") else self.host)

    @model_validator(mode="after")
    def _is_coherent(self) -> Environment:
        if not self.registry and (self.image or self.insecure):
            raise ValueError("image and insecure: need `registry`, one of its own")
        if self.soak is not None and self.after is None:
            raise ValueError("soak: needs `after`, the environment to have run in")
        return self

    @model_validator(mode="after")
    def _has_an_engine(self) -> Environment:
        if self.engine == "none" and (self.file or self.project or self.host):
            raise ValueError("file, project and host: need `engine`; without, only pointers move")
        return self

    @model_validator(mode="after")
    def _deploys_or_is_observed(self) -> Environment:
        if self.is_observed and self.engine in _OBSERVABLE:
            self._require_no_deploy()
        elif self.engine != "none" and not (self.file and self.project):
            raise ValueError(f"engine {self.engine!r} needs `file` and `project`")
        return self

    @model_validator(mode="after")
    def _engine_has_what_it_needs(self) -> Environment:
        if self.engine == "kubernetes":
            if not (self.context and self.namespace) or self.host:
                raise ValueError("engine 'kubernetes' needs `context` and `namespace`, no `host`")
        elif self.context or self.namespace:
            raise ValueError("context and namespace: need engine 'kubernetes'")
        if self.images and self.engine not in {"kubernetes", "none"}:
            raise ValueError("images: needs engine 'kubernetes', or none")
        if self.pull_config and self.engine != "swarm":
            raise ValueError("pull_config: needs engine 'swarm', whose nodes keep logins")
        if self.engine == "none" and self.pre_deploy is not None:
            raise ValueError("pre_deploy: needs an engine that runs it")
        return self

    def _require_no_deploy(self) -> None:
        deploying = ("project", "pre_deploy", "timeout", "variables")
        if useless := [key for key in deploying if getattr(self, key)]:
            raise ValueError(
                f"{', '.join(useless)}: needs `file`; without it another tool deploys, and a "
                "promotion moves pointers only"
            )
