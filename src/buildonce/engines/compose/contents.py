"""What Compose puts into containers and does not count as a change: configs and secrets.

Compose recreates a container whose service's definition changed, and the content of a config or
of a secret is no part of that (docker/compose 2.40: ``up`` says "Running", and the container has
the old content). A label with a hash of the contents makes it one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import yaml

from buildonce.engines.composefile import contents, dump

LABEL = "org.buildonce.contents"

_COST = {"n": 2**10, "r": 8, "p": 1}
"""scrypt's, about 3 ms a service: the label must not give a weak secret away at once."""


def with_contents(
    text: str, project: str, resolved: Mapping[str, Any], variables: Mapping[str, str]
) -> str:
    """Return a definition whose services are labelled by the contents that they are given.

    Args:
        text: the definition.
        project: the Compose project's name, which makes its hashes its own.
        resolved: the definition as data, with every variable's value.
        variables: those that secrets may be read from.
    """
    hashes = {}
    for name, service in (resolved.get("services") or {}).items():
        if given := contents(service, resolved, variables):
            hashes[name] = _hash(given, f"{project}/{name}")
    if not hashes:
        return text
    model = yaml.safe_load(text)
    for name, digest in hashes.items():
        service = model["services"][name]
        service["labels"] = _with_label(service.get("labels") or {}, digest)
    return dump(model)


def _hash(given: list[str], salt: str) -> str:
    text = "\0".join(given)
    return hashlib.scrypt(text.encode(), salt=salt.encode(), dklen=16, **_COST).hex()


def _with_label(labels: Any, digest: str) -> Any:
    if isinstance(labels, list):
        return [*labels, f"{LABEL}={digest}"]
    return {**labels, LABEL: digest}
