"""The table on its way through Invoke, whose own hierarchy overrides it.

The ``[tool.buildonce]`` table becomes a collection's configuration, Invoke merges
``invoke.yaml``, ``INVOKE_BUILDONCE_…`` variables and ``-f FILE`` into it, and what a command
then finds is read back. A table that cannot be read is an error of the command, not of
``inv --list``, so it travels along until a command asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from buildonce.config.reading import read_table
from buildonce.config.tables import TABLE, Project
from buildonce.errors import BuildonceError, UsageError

_UNREADABLE = "_unreadable"


class _Replaceable(int):
    """A number, or yes or no, that a variable may replace: its text is read when all is checked.

    Invoke itself casts a variable to the type of what it replaces, and any text but 0 is true.
    """

    value: object

    def __new__(cls, value: int | str) -> _Replaceable:
        made = super().__new__(cls, 0 if isinstance(value, str) else value)
        made.value = value
        return made


def table_for_invoke(root: Path) -> dict[str, Any]:
    """Return the table of the project in ``root``, with a default for each simple key.

    Invoke takes a variable only for a key that is there.
    """
    try:
        table = with_defaults(read_table(root))
        _require_unambiguous(table)
    except BuildonceError as error:
        return {_UNREADABLE: {"message": error.message, "hint": error.hint}}
    return {key: _replaceable(value) for key, value in table.items()}


def with_defaults(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a project's table with the default of each simple key that it lacks."""
    defaults = {
        name: field.default
        for name, field in Project.model_fields.items()
        if isinstance(field.default, str | bool | int)
    }
    return {**defaults, **table}


def table_from_invoke(merged: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table that a command uses, of what Invoke merged.

    Raises:
        UsageError: it could not be read in the first place.
    """
    table = {key: _plain(value) for key, value in merged.items()}
    if _UNREADABLE in table:
        raise UsageError(**table[_UNREADABLE])
    return table


def _replaceable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _replaceable(item) for key, item in value.items()}
    return _Replaceable(value) if isinstance(value, int) else value


def _plain(value: Any) -> Any:
    """Return Invoke's proxies of tables as dictionaries, and what is in them as it was given."""
    if hasattr(value, "items"):
        return {key: _plain(item) for key, item in value.items()}
    return value.value if isinstance(value, _Replaceable) else value


def _require_unambiguous(table: Mapping[str, Any]) -> None:
    paths: dict[str, str] = {}
    for keys in _leaves(table):
        path = ".".join([TABLE, *keys])
        variable = "_".join(["INVOKE_BUILDONCE", *keys]).upper()
        if (other := paths.setdefault(variable, path)) != path:
            raise UsageError(
                f"{other} and {path} conflict: Invoke's {variable} would set both",
                hint="remove one of them; Docker defines the proxy arguments (HTTP_PROXY, "
                "http_proxy and their like) by itself",
            )


def _leaves(table: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Give the keys that lead to each value that is no table."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from ((key, *more) for more in _leaves(value))
        else:
            yield (key,)
