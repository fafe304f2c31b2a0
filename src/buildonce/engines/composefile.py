"""Compose's file format, as far as bundles, definitions and stack files share it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import yaml

AS_WRITTEN = (
    *("--no-interpolate", "--no-normalize", "--no-path-resolution"),
    *("--no-consistency", "--no-env-resolution"),
)
"""Options of ``docker compose config`` that leave variables and paths as they are written."""

_DEFAULT = r"(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*"
VARIABLE = re.compile(
    r"\$\$|\$(?:(?P<bare>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)(?P<rest>" + _DEFAULT + r")\})"
)
"""A variable in any of Compose's forms, or a doubled dollar, which is none.

``rest`` is what a default is written with, and may have variables of its own, two deep.
"""


def name_in(match: re.Match[str]) -> str:
    """Return the name of a variable that ``VARIABLE`` found; empty for a doubled dollar."""
    return match["bare"] or match["braced"] or ""


def names_in(text: str) -> Iterator[str]:
    """Give the name of every variable, those in defaults included."""
    for match in VARIABLE.finditer(text):
        if name := name_in(match):
            yield name
            yield from names_in(match["rest"] or "")


def required_variables(text: str, given: Collection[str]) -> set[str]:
    """Return the variables that have neither a value nor a default, of which ``given`` have one.

    A default counts where it is used: what it needs itself is required as well.
    """
    found: set[str] = set()
    for match in VARIABLE.finditer(text):
        name, rest = name_in(match), match["rest"] or ""
        if rest.startswith((":-", "-")):
            found |= set() if name in given else required_variables(rest, given)
        elif rest.startswith((":+", "+")):
            found |= required_variables(rest, given) if name in given else set()
        elif name and name not in given:
            found.add(name)
    return found


def source_variables(model: Mapping[str, Any]) -> set[str]:
    """Return the variables that the configs and secrets of services are read from."""
    return {
        one["environment"]
        for kind in ("configs", "secrets")
        for name, one in (model.get(kind) or {}).items()
        if one and one.get("environment") and name in used(model, kind)
    }


def used(model: Mapping[str, Any], kind: str) -> set[str]:
    """Return which of a model's networks, volumes, configs or secrets some service uses."""
    services = (model.get("services") or {}).values()
    return {name for service in services for name in _uses(service or {}, kind)}


def shared(service: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what a model says of the networks, volumes, configs and secrets of a service."""
    return {
        kind: {name: (model.get(kind) or {}).get(name) for name in sorted(_uses(service, kind))}
        for kind in ("networks", "volumes", "configs", "secrets")
    }


def _uses(service: Mapping[str, Any], kind: str) -> set[str]:
    if kind == "networks":
        alone = "network_mode" in service
        return set(service.get("networks") or ([] if alone else ["default"]))
    uses = [use if isinstance(use, str) else _source(use) for use in service.get(kind) or ()]
    return set(filter(None, uses))


def _source(use: Mapping[str, Any]) -> str:
    source: str = use.get("source", "")
    return source if use.get("type", "volume") == "volume" else ""


def fill(text: str, value: Callable[[str], str | None]) -> str:
    """Return a text with other words for its variables, also inside the defaults of others.

    ``value`` gives what is written for a variable; None: it stays.
    """

    def filled(match: re.Match[str]) -> str:
        name = name_in(match)
        written = value(name) if name else match[0]
        if written is not None:
            return written
        rest = match["rest"]
        return f"${{{name}{VARIABLE.sub(filled, rest)}}}" if rest else match[0]

    return VARIABLE.sub(filled, text)


def contents(
    service: Mapping[str, Any], model: Mapping[str, Any], variables: Mapping[str, str]
) -> list[str]:
    """Return what a service is given by configs and secrets, as far as it can be read here.

    Args:
        service: one of the model's services.
        model: a definition as data, with every variable's value.
        variables: those that secrets may be read from.
    """
    found = []
    for kind in ("configs", "secrets"):
        known = model.get(kind) or {}
        for use in service.get(kind) or ():
            one = known.get(use["source"]) or {}
            if "content" in one:
                found.append(f"{kind} {use['source']} {one['content']}")
            elif "environment" in one:
                found.append(f"{kind} {use['source']} {variables.get(one['environment'], '')}")
    return sorted(found)


def dump(model: Mapping[str, Any]) -> str:
    """Return a model as YAML, in its own order, each value on one line."""
    return yaml.safe_dump(dict(model), sort_keys=False, allow_unicode=True, width=10_000)
