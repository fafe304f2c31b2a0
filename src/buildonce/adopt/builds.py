"""How the repository's own scripts and workflows build images: contexts and tags."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

import yaml

from buildonce.adopt.survey import Survey, below

_SCRIPTS = (
    *("Makefile", "*.mk", "[Jj]ustfile", "Taskfile.y*ml", "*.sh", "package.json"),
    *(".gitlab-ci.yml", "Jenkinsfile", "*.yml", "*.yaml"),
)
_COMMAND = re.compile(r"\b(?:docker|podman)(?:\s+buildx)?\s+build\s+(?P<words>[^\n;|&]*)")
_CONTINUED = re.compile(r"\\\s*\n\s*")
_VARIABLE = re.compile(r"\$\{\{.*?\}\}|\$\{[^}]*\}|\$\([^)]*\)|\$\$?\w+")
_ACTION = "docker/build-push-action"
_SWITCHES = {"--load", "--no-cache", "--pull", "--push", "--quiet", "-q", "--rm", "--squash"}


@dataclass(frozen=True)
class Build:
    """One build of an image, as ``where`` says it; ``*`` stands for a variable's value."""

    dockerfile: str
    context: str
    tags: tuple[str, ...]
    where: str

    def makes(self, dockerfile: str) -> bool:
        """Tell whether this is how a Dockerfile is built."""
        return fnmatchcase(dockerfile, self.dockerfile)

    def context_of(self, dockerfile: str) -> str | None:
        """Return the context that a Dockerfile is built from; None where it cannot be told."""
        if "*" not in self.context:
            return self.context
        folder = str(PurePosixPath(dockerfile).parent)
        return folder if self.context == str(PurePosixPath(self.dockerfile).parent) else None

    def names(self, image: str) -> bool:
        """Tell whether it makes an image of that name, whatever its tag."""
        return any(fnmatchcase(untagged(image), untagged(tag)) for tag in self.tags)


def builds(survey: Survey) -> list[Build]:
    """Return the builds that scripts and workflows name, in the order of their files."""
    return [
        build
        for path in survey.named(*_SCRIPTS)
        for words in _calls(survey.text(path))
        if (build := _build(survey, path, words))
    ]


def untagged(image: str) -> str:
    """Return an image's name without its tag and digest."""
    name = image.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


def _calls(text: str) -> Iterator[Mapping[str, Sequence[str]]]:
    """Give the options of each build, by their long names; the context is that of none."""
    for match in _COMMAND.finditer(_CONTINUED.sub(" ", text)):
        yield _options(match["words"])
    if _ACTION in text:
        yield from _actions(text)


def _options(line: str) -> dict[str, list[str]]:
    try:
        words = shlex.split(_VARIABLE.sub("*", line), comments=True)
    except ValueError:
        words = _VARIABLE.sub("*", line).split()
    found: dict[str, list[str]] = {}
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("-") or word == "-":
            found.setdefault("", []).append(word)
        elif word not in _SWITCHES and not equals and words:
            found.setdefault(name, []).append(words.pop(0))
        else:
            found.setdefault(name, []).append(value)
    for short, long in {"-f": "--file", "-t": "--tag"}.items():
        found[long] = [*found.get(long, ()), *found.get(short, ())]
    return found


def _actions(text: str) -> Iterator[dict[str, list[str]]]:
    try:
        jobs = yaml.safe_load(text)["jobs"].values()
        steps = [step for job in jobs for step in job.get("steps") or ()]
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError):
        return
    for step in steps:
        if str(step.get("uses", "")).startswith(_ACTION):
            given: Mapping[str, Any] = step.get("with") or {}
            words = {key: _VARIABLE.sub("*", str(value)) for key, value in given.items()}
            yield {
                "": [words.get("context", ".")],
                "--file": words.get("file", "").split(),
                "--tag": words.get("tags", "").replace(",", " ").split(),
            }


def _build(survey: Survey, path: str, options: Mapping[str, Sequence[str]]) -> Build | None:
    """Return a build whose Dockerfile is there; paths begin at the root, or at the script."""
    contexts = options.get("", ())
    if not contexts:
        return None
    tags = tuple(tag for tag in options.get("--tag", ()) if tag.strip("*:"))
    for folder in dict.fromkeys((".", str(PurePosixPath(path).parent))):
        context = below(folder, contexts[-1])
        file = options.get("--file")
        dockerfile = below(folder, file[-1]) if file else below(context, "Dockerfile")
        if any(fnmatchcase(one, dockerfile) for one in survey.files):
            return Build(dockerfile, context, tags, path)
    return None
