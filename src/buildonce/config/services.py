"""The tables of ``[tool.buildonce.services]``."""

from __future__ import annotations

from pydantic import Field, model_validator

from buildonce.config.environments import Table
from buildonce.config.fields import (
    AbsolutePath,
    ArgumentName,
    Name,
    PathInside,
    RepositoryName,
    SecretName,
    Ssh,
)


class BuildSecret(Table):
    """Where the value of a build secret comes from: one of the two."""

    variable: ArgumentName | None = Field(None, description="The variable that has its value.")
    file: AbsolutePath | None = Field(
        None, description="The file that has it: an absolute path, or one that begins with `~/`."
    )

    @model_validator(mode="after")
    def _has_one_source(self) -> BuildSecret:
        if (self.variable is None) == (self.file is None):
            raise ValueError("needs either `variable` or `file`")
        return self


class Service(Table):
    """One image-producing part of the monorepo."""

    image: RepositoryName | None = Field(
        None,
        description="Where its image is, if something else builds it: `ghcr.io/acme/report`. "
        "No other key then.",
    )
    dockerfile: PathInside = Field(
        "", description="The Dockerfile. Default: `Dockerfile` in the service's folder."
    )
    context: PathInside = Field(
        ".", description="The build context. Default: the root of the repository."
    )
    inputs: tuple[PathInside, ...] = Field(
        (),
        description="The paths that its build sees, and that decide whether it is rebuilt. "
        "Default: its context.",
    )
    args: dict[ArgumentName, str] = Field(
        default_factory=dict, description="Build arguments. Not for secrets: images show them."
    )
    target: Name | None = Field(
        None, description="The stage of the Dockerfile to build. Default: the last one."
    )
    secrets: dict[SecretName, BuildSecret] = Field(
        default_factory=dict,
        description="What `RUN --mount=type=secret` gets, by its `id`. Nothing else sees it.",
    )
    ssh: tuple[Ssh, ...] = Field(
        (),
        description="What `RUN --mount=type=ssh` gets: `default` is the SSH agent, "
        "`NAME=~/.ssh/key` a key or another agent's socket.",
    )

    @model_validator(mode="after")
    def _is_built_once(self) -> Service:
        others = sorted(self.model_fields_set - {"image"})
        if self.image and others:
            raise ValueError(f"image: is built elsewhere, so {', '.join(others)} has no use")
        return self
