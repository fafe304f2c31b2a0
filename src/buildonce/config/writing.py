"""Writes pins into ``pyproject.toml``, and leaves everything else in it as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import tomli

from buildonce.config.reading import PROJECT_FILE, table_in
from buildonce.config.tables import TABLE
from buildonce.errors import UsageError

_HEADER = re.compile(r"\s*\[\s*tool\s*\.\s*buildonce\s*\.\s*bases\s*\]\s*(?:#.*)?")


def with_bases(text: str, bases: Mapping[str, str]) -> str:
    """Return the text of a ``pyproject.toml`` in which ``bases`` has these images.

    Keys that are there get their new value on their line, others are added behind them.

    Raises:
        UsageError: ``bases`` is written in a way that cannot be changed line by line.
    """
    lines = text.splitlines()
    start = next((at for at, line in enumerate(lines) if _HEADER.fullmatch(line)), None)
    if start is None:
        lines += ["", f"[{TABLE}.bases]"]
        start = len(lines) - 1
    for name, image in bases.items():
        _set(lines, start, name, image)
    end = "\r\n" if "\r\n" in text else "\n"
    changed = end.join(lines) + end
    _require_only_bases(text, changed, bases)
    return changed


def _set(lines: list[str], start: int, name: str, image: str) -> None:
    end = start + 1
    for at in range(start + 1, len(lines)):
        if lines[at].lstrip().startswith("["):
            break
        pair = _pair(lines[at])
        if pair and pair[0] == name:
            lines[at] = lines[at].replace(json.dumps(pair[1]), json.dumps(image))
            return
        end = at + 1 if lines[at].strip() else end
    lines.insert(end, _line(name, image))


def _line(name: str, image: str) -> str:
    return f"{json.dumps(name)} = {json.dumps(image)}"


def _pair(line: str) -> tuple[str, object] | None:
    try:
        return next(iter(tomli.loads(line).items()), None)
    except tomli.TOMLDecodeError:
        return None


def _require_only_bases(text: str, changed: str, bases: Mapping[str, str]) -> None:
    table = table_in(text, PROJECT_FILE)
    wanted = {**table, "bases": {**table.get("bases", {}), **bases}}
    try:
        if table_in(changed, PROJECT_FILE) == wanted:
            return
    except UsageError:
        pass
    lines = "\n  ".join(
        f"{json.dumps(name)} = {json.dumps(image)}" for name, image in bases.items()
    )
    raise UsageError(
        f"{PROJECT_FILE} was not changed: its bases are not one key a line in [{TABLE}.bases]",
        hint=f"write them there yourself:\n  {lines}",
    )
