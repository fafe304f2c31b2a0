"""A Dockerfile's lines: directives, instructions and their flags. Pure.

After docs.docker.com, "Dockerfile reference": parser directives, line continuation, here
documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_HEREDOC = re.compile(r"\d*<<(?P<chomp>-?)(?P<quote>[\"']?)(?P<end>[^\s<\"']+)(?P=quote)")
_FLAG = re.compile(
    r"\s*--(?P<name>[a-z-]+)(?:=(?P<value>(?:\"[^\"]*\"|'[^']*'|[^\s\"'])*))?(?=\s|$)"
)


class _End(NamedTuple):
    """The line that ends a here document; after ``<<-`` it may have tabs ahead of it."""

    word: str
    chomp: bool

    def is_at(self, line: str) -> bool:
        return (line.lstrip("\t") if self.chomp else line) == self.word


def instructions(dockerfile: str) -> Iterator[str]:
    """Give each instruction as one line, without comments and here documents."""
    escape = re.escape(directives(dockerfile).get("escape", "\\"))
    continued = re.compile(rf"(?<!{escape}){escape}$")
    lines = [line.rstrip("\r") for line in dockerfile.split("\n")]
    instruction, ends = "", list[_End]()
    for number, whole in enumerate(lines):
        if ends:
            ends = ends[1:] if ends[0].is_at(whole) else ends
            continue
        line = whole.rstrip()
        if not line or line.lstrip().startswith("#"):
            continue
        instruction += continued.sub("", line)
        if continued.search(line):
            continue
        yield instruction.strip()
        ends = [end for end in _heredocs(instruction) if any(map(end.is_at, lines[number:]))]
        instruction = ""
    if instruction:
        yield instruction.strip()


def flags(arguments: str) -> Iterator[tuple[str, str]]:
    """Give the name and the value of each flag that an instruction's arguments begin with."""
    position = 0
    while match := _FLAG.match(arguments, position):
        yield match["name"], re.sub("[\"']", "", match["value"] or "")
        position = match.end()


def frontend(dockerfile: str, args: Mapping[str, str]) -> str | None:
    """Return the image that a build is read by, as its syntax line names it; None for none.

    As BuildKit finds it: the argument ``BUILDKIT_SYNTAX`` comes first, a line ``#!…`` may be
    ahead of the directives, and these may begin with ``//`` as well.
    """
    first, _, rest = dockerfile.partition("\n")
    text = rest if first.startswith("#!") else dockerfile
    found = (
        args.get("BUILDKIT_SYNTAX")
        or directives(text).get("syntax")
        or directives(text, "//").get("syntax")
    )
    return found.split()[0] if found else None


def directives(dockerfile: str, comment: str = "#") -> dict[str, str]:
    """Return the parser directives, which are at the very top, by their lower-case names."""
    directive = re.compile(rf"{comment}\s*(?P<name>[a-zA-Z]\w*)\s*=\s*(?P<value>.+?)\s*")
    found: dict[str, str] = {}
    for line in dockerfile.split("\n"):
        match = directive.fullmatch(line.strip())
        if not match:
            break
        found.setdefault(match["name"].lower(), match["value"])
    return found


def _heredocs(instruction: str) -> list[_End]:
    matches = [_HEREDOC.fullmatch(word) for word in instruction.split()]
    return [_End(match["end"], bool(match["chomp"])) for match in matches if match]
