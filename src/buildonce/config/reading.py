"""Reads the table, and explains what is wrong with it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from datetime import date, time
from pathlib import Path
from typing import Any

import tomli
from pydantic import ValidationError

from buildonce.config.environments import Environment, Freeze, PreDeploy, Table
from buildonce.config.fields import PATTERNS
from buildonce.config.services import BuildSecret, Service
from buildonce.config.tables import TABLE, Project, Prune, suggest
from buildonce.errors import UsageError

PROJECT_FILE = "pyproject.toml"
_PROPOSES = f"buildonce init proposes one; the shortest has registry and services in [{TABLE}]"
_KEY = re.compile(r"\((?:'[^']*'(?:, )?)+,?\)")
_WORD = re.compile(r"'([^']*)'")
_LONGEST = 80
"""Characters of a wrong value that are shown."""

_MODELS: dict[str, type[Table]] = {
    "services": Service, "environments": Environment, "prune": Prune, "freeze": Freeze,
    "pre_deploy": PreDeploy, "secrets": BuildSecret,
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
    "int_from_float": "must be a whole number",
    "finite_number": "must be a whole number",
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
        raise UsageError(f"there is no {path}", hint=_PROPOSES) from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not UTF-8: its byte {error.start + 1} is 0x{error.object[error.start]:02x}",
            hint="save it as UTF-8, without a byte order mark",
        ) from None
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", hint="restore it, or correct its rights"
        ) from None


def table_in(text: str, path: str) -> dict[str, Any]:
    """Return the raw table of a ``pyproject.toml``'s text; ``path`` is what messages call it.

    Raises:
        UsageError: the table is missing, or it is not TOML.
    """
    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise _not_toml(path, text, error) from None
    tools = document.get("tool")
    table = tools.get("buildonce") if isinstance(tools, dict) else None
    if not isinstance(table, dict):
        raise UsageError(f"{path} has no table [{TABLE}]{_instead(document)}", hint=_PROPOSES)
    return table


def _not_toml(path: str, text: str, error: tomli.TOMLDecodeError) -> UsageError:
    """Return the error for a text that is not TOML, with the line that it is about."""
    if text.startswith("\ufeff"):
        return UsageError(
            f"{path} begins with a byte order mark, which TOML does not have",
            hint="save it as UTF-8 without one",
        )
    lines = text.split("\n")
    place = f"{path}:{error.lineno}" if error.lineno else path
    line = lines[error.lineno - 1].strip() if 0 < error.lineno <= len(lines) else ""
    reason = _KEY.sub(lambda key: ".".join(_WORD.findall(key[0])), error.msg)
    return UsageError(
        f"{place} is not TOML: {reason}" + (f"\n  {line}" if line else ""),
        hint="correct that line; text needs quotes, and no key or table comes twice",
    )


def _instead(document: Mapping[str, Any]) -> str:
    """Return what there is that may be meant for the table."""
    tools = document.get("tool")
    tables = [key for key, value in document.items() if isinstance(value, dict | list)]
    if isinstance(tools, dict):
        tables += [f"tool.{key}" for key in tools]
    if TABLE in tables:
        return ", but something else of that name"
    near = [key for key in tables if key in ("buildonce", "tools")] or difflib.get_close_matches(
        TABLE, tables, n=1, cutoff=0.8
    )
    return f"; it has [{near[0]}]" if near else ""


def parse(table: Mapping[str, Any]) -> Project:
    """Validate a table.

    Raises:
        UsageError: with each problem's path, the offending value and what was perhaps meant.
    """
    try:
        return Project.model_validate(table)
    except ValidationError as error:
        told = [_explain(problem) for problem in error.errors() if not _is_other_form(problem)]
        problems = _joined(told)
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
        message = PATTERNS[problem["ctx"]["pattern"]] + _nearest(problem)
    if problem["type"] in _EXPECTED:
        message = _EXPECTED[problem["type"]].format(**problem.get("ctx", {}))
    if problem["type"] == "value_error" and not location:
        return f"{TABLE}.{message}"
    if (
        problem["type"] == "value_error"
        and isinstance(problem["input"], Mapping)
        and len(problem["input"])
    ):
        return f"{path}: {message}"
    return f"{path} = {_shown(problem['input'])}: {message}"


def _joined(problems: Sequence[str]) -> list[str]:
    """Return the problems; what two forms of a value say about it comes as one."""
    text, texts = ": must be text", ": must be a list"
    both = [one.removesuffix(text) for one in problems if one.endswith(text)]
    both = [one for one in both if f"{one}{texts}" in problems]
    return [
        f"{one}, or a list of texts" if one.removesuffix(text) in both else one
        for one in problems
        if one.removesuffix(texts) not in both
    ]


def _nearest(problem: Any) -> str:
    """Return ``; perhaps you meant …`` for a name that only is not lower case, or has spaces."""
    name = re.sub(r"[^a-z0-9]+", "-", str(problem["input"]).lower()).strip("-")
    fits = re.fullmatch(problem["ctx"]["pattern"], name)
    return f"; perhaps you meant {name!r}" if fits and name != problem["input"] else ""


def _shown(value: object) -> str:
    written = str(value) if isinstance(value, date | time) else repr(value)
    return written if len(written) <= _LONGEST else f"{written[:_LONGEST]}…"
