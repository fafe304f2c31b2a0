"""Compose's file format, as far as bundles, definitions and stack files share it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

AS_WRITTEN = (
    *("--no-interpolate", "--no-normalize", "--no-path-resolution"),
    *("--no-consistency", "--no-env-resolution"),
)
"""Options of ``docker compose config`` that leave variables and paths as they are written."""

VARIABLE = re.compile(
    r"\$\$|\$(?:(?P<bare>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)(?P<rest>[^{}]*)\})"
)
"""A variable in any of Compose's forms, or a doubled dollar, which is none."""


def name_in(match: re.Match[str]) -> str:
    """Return the name of a variable that ``VARIABLE`` found; empty for a doubled dollar."""
    return match["bare"] or match["braced"] or ""


def dump(model: Mapping[str, Any]) -> str:
    """Return a model as YAML, in its own order, each value on one line."""
    return yaml.safe_dump(dict(model), sort_keys=False, allow_unicode=True, width=10_000)
