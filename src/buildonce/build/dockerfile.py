"""What a Dockerfile is built on, as far as its FROM and ARG lines tell: pure.

After docs.docker.com, "Dockerfile reference": parser directives, line continuation, here
documents, ARG, FROM.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from buildonce.errors import PreconditionError

_DIRECTIVE = re.compile(r"#\s*(?P<name>\w+)\s*=\s*(?P<value>\S+)\s*")
_HEREDOC = re.compile(r"\d*<<-?(?P<quote>[\"']?)(?P<end>[^\s<\"']+)(?P=quote)")
_VARIABLE = re.compile(
    r"\$(?:(?P<bare>\w+)"
    r"|\{(?P<name>\w+)(?:(?P<kind>:?[-+])(?P<word>(?:[^{}]|\{[^{}]*\})*))?\})"
)

_OF_THE_BUILDER = ("BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT")


def final_base(
    dockerfile: str, target: str | None, args: Mapping[str, str], platform: str
) -> str | None:
    """Return the outside image that the built stage begins from, as the ``FROM`` names it.

    None stands for ``scratch``. Arguments that are declared ahead of the first ``FROM`` are
    filled in, by ``args`` or their defaults, and so are those that ``platform`` defines; not
    those of the machine that builds (``BUILDARCH`` and its like), which is not known here.

    Raises:
        PreconditionError: there is no such stage, no ``FROM`` at all, or the image's name
            cannot be told.
    """
    known = _predefined(platform)
    bases: list[str] = []
    stages: dict[str, str] = {}
    for keyword, words in _froms_and_args(dockerfile.removeprefix("\ufeff")):
        if keyword == "ARG":
            _declare(words, known, args)
        else:
            filled = [_fill(word, known) for word in words if not word.startswith("--")]
            image, *more = filled or [""]
            bases.append(stages.get(image.lower(), image))
            stages[(more[-1] if more else str(len(bases) - 1)).lower()] = bases[-1]
    if not bases:
        raise PreconditionError("the Dockerfile has no FROM")
    if target and target.lower() not in stages:
        raise PreconditionError(f"the Dockerfile has no stage {target!r}")
    base = stages[target.lower()] if target else bases[-1]
    if not base or "$" in base:
        raise PreconditionError(f"the image of its FROM cannot be told: {base!r}")
    return None if base == "scratch" else base


def _predefined(platform: str) -> dict[str, str]:
    system, architecture, variant = (*platform.split("/"), "", "")[:3]
    return {
        "TARGETPLATFORM": platform, "TARGETOS": system, "TARGETARCH": architecture,
        "TARGETVARIANT": variant, **{name: f"${name}" for name in _OF_THE_BUILDER},
    }  # fmt: skip


def _declare(words: Sequence[str], known: dict[str, str], args: Mapping[str, str]) -> None:
    for word in words:
        name, has_default, default = word.partition("=")
        if name in args:
            known[name] = args[name]
        elif has_default:
            known[name] = _fill(default, known)


def _fill(text: str, known: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        found = known.get(match["bare"] or match["name"])
        kind, word = match["kind"] or "", match["word"] or ""
        is_given = bool(found) if kind.startswith(":") else found is not None
        if kind.endswith("+"):
            return _fill(word, known) if is_given else ""
        return found or "" if is_given else _fill(word, known)

    return _VARIABLE.sub(value, text)


def _froms_and_args(dockerfile: str) -> Iterator[tuple[str, list[str]]]:
    """Give the keyword and the words of each FROM, and each ARG before the first, unquoted.

    Raises:
        PreconditionError: one of them cannot be read.
    """
    wanted = {"FROM", "ARG"}
    for line in instructions(dockerfile):
        keyword, _, rest = line.replace("\t", " ").partition(" ")
        if keyword.upper() not in wanted:
            continue
        try:
            words = shlex.split(rest)
        except ValueError:
            words = []
        if not words:
            raise PreconditionError(f"a line of the Dockerfile cannot be read: {line}")
        if keyword.upper() == "FROM":
            wanted = {"FROM"}
        yield keyword.upper(), words


def instructions(dockerfile: str) -> Iterator[str]:
    """Give each instruction as one line, without comments and here documents."""
    escape = _escape(dockerfile)
    lines = [line.rstrip() for line in dockerfile.split("\n")]
    instruction, ends = "", list[str]()
    for number, line in enumerate(lines):
        if ends:
            ends = ends[1:] if line.lstrip("\t") == ends[0] else ends
            continue
        if not line or line.lstrip().startswith("#"):
            continue
        instruction += line
        if instruction.endswith(escape):
            instruction = instruction[:-1]
            continue
        yield instruction.strip()
        later = {one.lstrip("\t") for one in lines[number:]}
        ends = [end for end in _heredocs(instruction) if end in later]
        instruction = ""


def _heredocs(instruction: str) -> list[str]:
    matches = [_HEREDOC.fullmatch(word) for word in instruction.split()]
    return [match["end"] for match in matches if match]


def _escape(dockerfile: str) -> str:
    """Return the character that continues a line: a directive at the very top can set it."""
    for line in dockerfile.split("\n"):
        directive = _DIRECTIVE.fullmatch(line.strip())
        if not directive:
            break
        if directive["name"].lower() == "escape":
            return directive["value"]
    return "\\"
