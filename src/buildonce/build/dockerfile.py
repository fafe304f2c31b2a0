"""The images that a Dockerfile's build takes from outside. Pure.

After docs.docker.com, "Dockerfile reference": ARG, FROM, COPY --from, RUN --mount; and where
that is silent, as BuildKit's Dockerfile frontend resolves names.
"""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from buildonce.build.instructions import flags, frontend, instructions
from buildonce.errors import PreconditionError

_VARIABLE = re.compile(
    r"\$(?:(?P<bare>\w+)"
    r"|\{(?P<name>\w+)(?:(?P<kind>:?[-+])(?P<word>(?:[^{}]|\{[^{}]*\})*))?\})"
)

_OF_THE_BUILDER = ("BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT")
_SCRATCH = "scratch"


@dataclass(frozen=True)
class Images:
    """The images that a build takes from outside, each as the Dockerfile writes it.

    ``base`` is what the built stage begins from; None stands for ``scratch``. ``all`` has it,
    and those of the stages that are needed for it, COPY --from, RUN --mount and the syntax
    line.
    """

    base: str | None
    all: tuple[str, ...]


@dataclass
class _Stage:
    """A stage: what it begins from, and what else it takes, as names of stages or images."""

    name: str
    base: str
    copied: list[str]
    mounted: list[str]


def external_images(
    dockerfile: str, target: str | None, args: Mapping[str, str], platform: str
) -> Images:
    """Return the images from outside that building ``target`` (by default the last stage) needs.

    Arguments that are declared ahead of the first ``FROM`` are filled in, by ``args`` or their
    defaults, and so are those that ``platform`` defines; not those of the machine that builds
    (``BUILDARCH`` and its like), which is not known here.

    Raises:
        PreconditionError: there is no such stage, no ``FROM`` at all, or the name of an image
            cannot be told.
    """
    text = dockerfile.removeprefix("\ufeff")
    stages = _stages(text, _predefined(platform), args)
    if not stages:
        raise PreconditionError("the Dockerfile has no FROM")
    found = _external(stages, _target(stages, target))
    syntax = frontend(text, args)
    names = dict.fromkeys([*([syntax] if syntax else []), *found])
    names.pop(_SCRATCH, None)
    for name in names:
        if not name or "$" in name:
            raise PreconditionError(
                f"the name of an image cannot be told: {name!r}",
                hint="name it without variables, but those of an ARG ahead of the first FROM",
            )
    return Images(None if found[0] == _SCRATCH else found[0], tuple(names))


def mounted(dockerfile: str, kind: str) -> list[str]:
    """Return the ids of what RUN mounts of a kind: ``secret`` or ``ssh``."""
    mounts = [
        _mount(value)
        for keyword, rest in _instructions(dockerfile)
        for name, value in flags(rest)
        if (keyword, name) == ("RUN", "mount")
    ]
    ids = [_id(mount) for mount in mounts if mount.get("type", "").lower() == kind]
    return list(dict.fromkeys(ids))


def _id(mount: Mapping[str, str]) -> str:
    targets = [mount[key] for key in ("target", "dst", "destination") if key in mount]
    default = PurePosixPath(targets[0]).name if targets else "default"
    return mount.get("id", default)


def _stages(text: str, known: dict[str, str], args: Mapping[str, str]) -> list[_Stage]:
    stages: list[_Stage] = []
    for keyword, rest in _instructions(text):
        if keyword == "ARG" and not stages:
            _declare(_words(keyword, rest), known, args)
        elif keyword == "FROM":
            words = [_fill(word, known) for word in _words(keyword, rest)]
            base, *name = [word for word in words if not word.startswith("--")] or [""]
            stages.append(_Stage(name[-1].lower() if name else "", base, [], []))
        elif keyword == "COPY" and stages:
            stages[-1].copied += [value for name, value in flags(rest) if name == "from"]
        elif keyword == "RUN" and stages:
            stages[-1].mounted += [
                source
                for name, value in flags(rest)
                if name == "mount" and (source := _mount(value).get("from"))
            ]
    return stages


def _external(stages: Sequence[_Stage], built: int) -> list[str]:
    """Return the images that a stage and those it needs take; what it begins from is first."""
    images = [_base(stages, built)]
    needed = [built]
    for number in needed:
        for source in _sources(stages, number):
            if isinstance(source, str):
                images.append(source)
            elif source not in needed:
                needed.append(source)
    return images


def _base(stages: Sequence[_Stage], number: int) -> str:
    source: int | str = number
    while isinstance(source, int):
        source = next(_sources(stages, source))
    return source


def _sources(stages: Sequence[_Stage], number: int) -> Iterator[int | str]:
    """Give what a stage takes: another's number, or an image's name; what it begins from first.

    A FROM names stages before its own alone, so that a stage may be named like its base;
    COPY --from knows numbers, RUN --mount does not.
    """
    stage = stages[number]
    yield _by_name(stages[:number], stage.base)
    for source in stage.copied:
        yield _by_number(stages, source) if source.isdecimal() else _by_name(stages, source)
    for source in stage.mounted:
        yield _by_name(stages, source)


def _by_name(stages: Sequence[_Stage], name: str) -> int | str:
    numbers = [number for number, stage in enumerate(stages) if stage.name == name.lower()]
    return numbers[-1] if numbers and name else name


def _by_number(stages: Sequence[_Stage], number: str) -> int:
    if int(number) >= len(stages):
        raise PreconditionError(f"the Dockerfile has no stage {number!r}")
    return int(number)


def _target(stages: Sequence[_Stage], target: str | None) -> int:
    if target is None:
        return len(stages) - 1
    found = _by_name(stages, target)
    if isinstance(found, int):
        return found
    if target.isdecimal():
        return _by_number(stages, target)
    raise PreconditionError(f"the Dockerfile has no stage {target!r}")


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """Give each instruction's keyword and the rest of it; of a trigger, what it triggers."""
    for line in instructions(text):
        keyword, _, rest = line.replace("\t", " ").partition(" ")
        if keyword.upper() == "ONBUILD":
            keyword, _, rest = rest.strip().partition(" ")
        yield keyword.upper(), rest


def _words(keyword: str, rest: str) -> list[str]:
    try:
        words = shlex.split(rest)
    except ValueError:
        words = []
    if not words:
        raise PreconditionError(
            f"a line of the Dockerfile cannot be read: {f'{keyword} {rest}'.strip()}"
        )
    return words


def images_of_all(
    dockerfile: str, target: str | None, args: Mapping[str, str], platforms: Sequence[str]
) -> Images:
    """Return the images from outside that any of the platforms needs; the first one's base.

    Raises:
        PreconditionError: as ``external_images``.
    """
    found = [external_images(dockerfile, target, args, platform) for platform in platforms]
    return Images(found[0].base, tuple(dict.fromkeys(name for one in found for name in one.all)))


def _mount(value: str) -> dict[str, str]:
    options = next(csv.reader([value]), [])
    return {key.lower(): text for key, _, text in (option.partition("=") for option in options)}


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
