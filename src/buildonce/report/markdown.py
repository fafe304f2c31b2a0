"""Markdown for the summaries of CI systems. Names and subjects are text, never markup."""

from __future__ import annotations

import re
from collections.abc import Sequence

from buildonce.report.visible import visible
from buildonce.verify.evidence import Evidence

_SIGNS = {"✓": "✅", "✗": "❌", "•": "⚪"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#|!~&@:])")


def text(value: str) -> str:
    """Return a value that a Markdown reader shows as it is: no link, no HTML, no mention.

    GitHub renders ``@name`` and addresses without any markup, so that their marks are
    entities.
    """
    line = visible(" ".join(value.split()))
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", line)


def code(value: str) -> str:
    """Return a value as code; a backtick cannot end it."""
    cleaned = visible(" ".join(value.split())).replace("`", "'").replace("|", "\\|")
    return f"`{cleaned}`" if cleaned else ""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown already."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def evidence_markdown(rows: Sequence[Evidence]) -> str:
    """Return rows of evidence as a Markdown table, for the summary of a run."""
    held = "all hold" if all(row.holds for row in rows) else "**a difference was found**"
    cells = [
        [_SIGNS[row.mark], text(row.environment), text(row.service), text(row.check)]
        + [code(row.expected), code(row.found)]
        for row in rows
    ]
    columns = ["", "environment", "service", "check", "expected", "found"]
    return f"### Verification: {held}\n\n{table(columns, cells)}\n"
