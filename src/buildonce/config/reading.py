"""Reads the table, and explains what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli
from pydantic import ValidationError

from buildonce.config.environments import Environment, Freeze, PreDeploy, Table
from buildonce.config.fields import PATTERNS
from buildonce.config.tables import TABLE, Project, Prune, Service, suggest
from buildonce.errors import UsageError

PROJECT_FILE = "pyproject.toml"

_MODELS: dict[str, type[Table]] = {
    "services": Service, "environments": Environment, "prune": Prune, "freeze": Freeze,
    "before": PreDeploy,
}  # fmt: skip

_EXPECTED = {
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "too_short": "must not be empty",
}
"""What is said for the kinds of problem that pydantic has (its "Validation Errors")."""


def read_table(root: Path) -> dict[str, Any]:
    """Return the raw table of the ``pyproject.toml`` in ``root``.

    Raises:
        UsageError: the file or the table is missing, or it is not TOML.
    """
    path = root / PROJECT_FILE
    try:
        return table_in(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        raise UsageError(f"there is no {path}", hint=f"create it with a [{TABLE}] table") from None
    except (UnicodeDecodeError, OSError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}", hint="restore it, or correct its permissions"
        ) from None


def table_in(text: str, path: str) -> dict[str, Any]:
    """Return the raw table of a ``pyproject.toml``'s text; ``path`` is what messages call it.

    Raises:
        UsageError: the table is missing, or it is not TOML.
    """
    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise UsageError(f"{path} cannot be read: {error}", hint="correct that line") from None
    tools = document.get("tool")
    table = tools.get("buildonce") if isinstance(tools, dict) else None
    if not isinstance(table, dict):
        raise UsageError(f"{path} has no table [{TABLE}]", hint="docs/adopt.md shows a short one")
    return table


def parse(table: Mapping[str, Any]) -> Project:
    """Validate a table.

    Raises:
        UsageError: with each problem's path, the offending value and what was perhaps meant.
    """
    try:
        return Project.model_validate(table)
    except ValidationError as error:
        problems = [_explain(problem) for problem in error.errors() if not _is_other_form(problem)]
        raise UsageError(
            "the configuration is wrong:\n  " + "\n  ".join(problems),
            hint="see [tool.buildonce] in pyproject.toml, and what overrides it "
            "(invoke.yaml, INVOKE_BUILDONCE_… variables, -f FILE)",
        ) from None


def _is_form(part: str) -> bool:
    """Tell whether a part of a location is pydantic's name for one form of a value."""
    return "[" in part or part == "constrained-str"


def _is_other_form(problem: Any) -> bool:
    """Tell whether a problem is of the form that was not written: one text, or a list of texts."""
    if not (problem["loc"] and _is_form(str(problem["loc"][-1]))):
        return False
    written = problem["input"]
    return (problem["type"] == "tuple_type" and isinstance(written, str)) or (
        problem["type"] == "string_type" and isinstance(written, list | tuple)
    )


def _explain(problem: Any) -> str:
    location = [str(part) for part in problem["loc"] if not _is_form(str(part))]
    path = ".".join([TABLE, *location])
    if problem["type"] == "extra_forbidden":
        model = next((_MODELS[part] for part in reversed(location) if part in _MODELS), Project)
        return f"{path}: unknown key{suggest(location[-1], model.model_fields)}"
    if problem["type"] == "missing":
        return f"{path}: is missing"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "string_pattern_mismatch":
        message = PATTERNS[problem["ctx"]["pattern"]]
    if problem["type"] in _EXPECTED:
        message = _EXPECTED[problem["type"]].format(**problem.get("ctx", {}))
    if problem["type"] == "value_error" and not location:
        return f"{TABLE}.{message}"
    return f"{path} = {problem['input']!r}: {message}"
