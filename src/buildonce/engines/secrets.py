"""Keep what is secret out of everything that is shown or kept."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from buildonce.engines.definition import Definition
from buildonce.masking import hide

_NAME = re.compile(r"\$\{?([A-Za-z_]\w*)")


def mask(text: str, definition: Definition) -> str:
    """Return a text with ``***`` for every value that a deployment gives to its containers.

    Those are variables of this process, and the contents of its environment and secret files;
    not what is written in the definition or in the configuration, which all may read. Of a
    value with several lines, each counts by itself.
    """
    deployment = definition.deployment
    public = "\n".join([definition.bundle, *deployment.variables.values()])
    return hide(text, _given(definition), public)


def _given(definition: Definition) -> Iterator[str]:
    deployment, model = definition.deployment, definition.resolved
    names = set(_NAME.findall(definition.bundle)) - set(deployment.variables)
    yield from (os.environ[name] for name in names if name in os.environ)
    for service in model.get("services", {}).values():
        values = (service.get("environment") or {}).values()
        yield from (str(value) for value in values if value is not None)
    for secret in model.get("secrets", {}).values():
        yield os.environ.get(secret.get("environment", ""), "")
        yield _content(Path(secret.get("file", "")))


def _content(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
