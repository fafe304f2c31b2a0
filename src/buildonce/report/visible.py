"""Text from elsewhere, such as a commit's subject: it is shown, and steers nothing. Pure."""

from __future__ import annotations

import re

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_STEERING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
"""What a terminal obeys, and what turns the direction of a line (Unicode's annex 9)."""


def visible(text: str) -> str:
    """Return a text with an escape for each character that steers a terminal or a line."""
    return _STEERING.sub(_escape, text)


def uncoloured(line: str) -> str:
    """Return a line of another program's output, without its colours and otherwise visible."""
    return visible(_COLOURS.sub("", line).rstrip("\r"))


def _escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
