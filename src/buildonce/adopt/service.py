"""A service as a repository's files describe it, before it is anybody's configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Found:
    """What builds one image. ``why`` says which file told so.

    ``users`` are the services of the Compose file that run it, ``missing`` what its Dockerfile
    copies and the context does not have. ``inputs`` is empty where the whole context is read.
    ``image`` is what Skaffold calls its image.
    """

    name: str
    dockerfile: str
    context: str
    why: str
    target: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    image: str = ""

    @property
    def build(self) -> tuple[object, ...]:
        """What decides the image: two that agree in it are one."""
        return (self.dockerfile, self.context, self.target, tuple(sorted(self.args.items())))


def slug(text: str) -> str:
    """Return a name for a service: lower case, digits, single dashes and underscores."""
    dashed = re.sub(r"[^a-z0-9_]+", "-", text.lower())
    return re.sub(r"[_-]{2,}", "-", dashed)[:63].strip("-_")


def distinct(found: list[Found]) -> list[Found]:
    """Return what was found with one name each; a second of the same name gets a number."""
    taken: dict[str, int] = {}
    named = []
    for service in found:
        taken[service.name] = count = taken.get(service.name, 0) + 1
        name = service.name if count == 1 else f"{service.name}-{count}"
        named.append(replace(service, name=name))
    return named
