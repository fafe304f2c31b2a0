"""Which build context fits a Dockerfile: the innermost folder that has all it copies."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from buildonce.adopt.survey import GLOB, Survey, below, normal
from buildonce.build.instructions import instructions

_MOUNT = re.compile(r"--mount=(\S+)")
_LOCKS = {
    "uv.lock": re.compile(r"\buv\s+sync\b.*--(?:locked|frozen)"),
    "package-lock.json": re.compile(r"\bnpm\s+ci\b"),
    "pnpm-lock.yaml": re.compile(r"\bpnpm\b.*--frozen-lockfile"),
    "yarn.lock": re.compile(r"\byarn\b.*--(?:frozen-lockfile|immutable)"),
    "Cargo.lock": re.compile(r"\bcargo\b.*--locked"),
    "go.mod": re.compile(r"\bgo\s+(?:build|install|mod|test|vet)\b"),
}
"""What a command needs that is run where the whole context was copied."""

_REMOTE = re.compile(r"[a-z]+://|git@")


@dataclass(frozen=True)
class Context:
    """A folder to build from. ``missing`` are the sources that it does not have."""

    folder: str
    missing: tuple[str, ...] = ()


def sources(dockerfile: str) -> list[str]:
    """Return what a Dockerfile takes from its build context, in order, each once.

    These are the sources of COPY and ADD, unless they come from another stage, an image or a
    network, and those of bind mounts. One that has a variable in it is left out.
    """
    found: dict[str, None] = {}
    for line in instructions(dockerfile):
        keyword, _, rest = line.replace("\t", " ").partition(" ")
        if keyword.upper() in ("COPY", "ADD"):
            found.update(dict.fromkeys(_copied(rest.strip())))
        elif keyword.upper() == "RUN":
            found.update(dict.fromkeys(_mounted(rest)))
    return [path for path in found if "$" not in path]


def has_variables(dockerfile: str) -> bool:
    """Tell whether a COPY or ADD has a variable in it, so that not all sources can be told."""
    lines = [line.upper() for line in instructions(dockerfile)]
    return any("$" in line for line in lines if line.startswith(("COPY", "ADD")))


def fitting(survey: Survey, dockerfile: str) -> Context:
    """Return the innermost folder that has everything, from the Dockerfile's own to the root.

    Where none has, it is the one that misses least. Of those that are copied whole, it is the one
    with the lock files that the Dockerfile's commands need.
    """
    text = survey.text(dockerfile)
    wanted, needed = sources(text), _needed(text)
    contexts = [lacking(survey, folder, wanted) for folder in _folders(dockerfile)]
    return min(
        contexts,
        key=lambda context: (
            len(context.missing),
            len(lacking(survey, context.folder, needed).missing),
        ),
    )


def copies(dockerfile: str) -> Iterator[tuple[str, str]]:
    """Give what a Dockerfile copies from its context, each with its destination.

    One that ends in a slash is a folder that a file is put into. A working folder that an image
    from outside begins with is not known: it is taken for ``/``.
    """
    folder = "/"
    for line in instructions(dockerfile):
        keyword, _, rest = line.replace("\t", " ").partition(" ")
        if keyword.upper() == "WORKDIR":
            folder = posixpath.join(folder, rest.strip())
        elif keyword.upper() in ("COPY", "ADD"):
            written = _words(rest)[-1]
            into = posixpath.normpath(posixpath.join(folder, written))
            for source in _copied(rest.strip()):
                yield source, f"{into}/" if written.endswith(("/", ".")) else into


def copies_all(dockerfile: str) -> bool:
    """Tell whether a Dockerfile copies its whole context, whatever that is."""
    return "." in map(normal, sources(dockerfile))


def lacking(survey: Survey, folder: str, wanted: list[str]) -> Context:
    """Return a context and what it lacks of the wanted sources."""
    missing = [path for path in wanted if not survey.matching(below(folder, path))]
    return Context(folder, tuple(path for path in missing if normal(path) != "."))


def inputs(survey: Survey, context: str, dockerfile: str) -> list[str]:
    """Return the paths that a build reads, relative to the root; none where it reads it all."""
    read: list[str] = []
    for source in sources(survey.text(dockerfile)):
        path = below(context, source)
        if path in (".", context):
            return [] if context == "." else [context]
        read += survey.matching(path) if GLOB.search(path) else [path]
    return _outermost(read)


def _needed(dockerfile: str) -> list[str]:
    """Return the files that the commands need and the whole context has to bring."""
    if not copies_all(dockerfile):
        return []
    lines = [line for line in instructions(dockerfile) if line.upper().startswith("RUN")]
    return [file for file, command in _LOCKS.items() if any(map(command.search, lines))]


def _copied(rest: str) -> Iterator[str]:
    flags = []
    while rest.startswith("--"):
        flag, _, rest = rest.partition(" ")
        flags.append(flag)
        rest = rest.lstrip()
    if any(flag.startswith("--from=") for flag in flags):
        return
    for source in _words(rest)[:-1]:
        if not _REMOTE.match(source) and not source.startswith("<<"):
            yield source


def _words(rest: str) -> list[str]:
    try:
        words = json.loads(rest) if rest.startswith("[") else shlex.split(rest)
    except ValueError:
        words = rest.split()
    return [str(word) for word in words]


def _mounted(rest: str) -> Iterator[str]:
    for mount in _MOUNT.findall(rest):
        options = dict(option.partition("=")[::2] for option in mount.split(","))
        source = options.get("source") or options.get("src")
        if options.get("type", "bind") == "bind" and "from" not in options and source:
            yield source


def _folders(dockerfile: str) -> list[str]:
    return [str(folder) for folder in PurePosixPath(dockerfile).parents]


def _outermost(paths: list[str]) -> list[str]:
    """Return the paths that lie in no other of them, sorted."""
    distinct = sorted(set(paths))
    return [
        path
        for path in distinct
        if not any(path.startswith(f"{other}/") for other in distinct if other != path)
    ]
