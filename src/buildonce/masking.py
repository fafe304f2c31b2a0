"""Take secret values out of a text."""

from __future__ import annotations

import re
from collections.abc import Iterable

SHORTEST = 4
"""Characters: what is shorter is part of too many words to be taken out of them."""


def hide(text: str, values: Iterable[str], public: str = "") -> str:
    """Return a text with ``***`` for each line of the values, but for words of ``public``."""
    lines = {line.strip() for value in values for line in value.splitlines()}
    for line in sorted(lines, key=len, reverse=True):
        if len(line) >= SHORTEST and not _has_word(public, line):
            text = text.replace(line, "***")
    return text


def _has_word(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None
