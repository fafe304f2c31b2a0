"""Services from Dockerfiles alone, where no other file says how they are built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from buildonce.adopt.builds import Build
from buildonce.adopt.contexts import Context, fitting, inputs, lacking, sources
from buildonce.adopt.service import Found, slug
from buildonce.adopt.survey import Survey
from buildonce.build.instructions import instructions

PATTERNS = ("Dockerfile", "Dockerfile.*", "*.Dockerfile", "Containerfile", "Containerfile.*")
_NOT_TO_RUN = {".devcontainer", "docs", "example", "examples", "test", "tests", "testdata"}
_SUFFIXES_OF_OTHERS = {"dockerignore", "j2", "md", "template", "tmpl"}
_FOR_RELEASES = ("prod", "production", "release")
_FOR_WORK = ("ci", "debug", "dev", "devel", "development", "local", "test", "tests")
_KINDS = {"build", "container", "docker", "image", "images"}


def dockerfiles(survey: Survey) -> list[str]:
    """Return the Dockerfiles, without those of tests, examples and development containers."""
    return [
        path
        for path in survey.named(*PATTERNS)
        if not _NOT_TO_RUN & set(PurePosixPath(path).parts[:-1])
        and path.rpartition(".")[2] not in _SUFFIXES_OF_OTHERS
    ]


def variants(survey: Survey) -> list[list[str]]:
    """Return the Dockerfiles of each service, that for releases first: ``Dockerfile.prod``."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in dockerfiles(survey):
        place = (str(PurePosixPath(path).parent), service_name(survey, path))
        found.setdefault(place, []).append(path)
    return [sorted(paths, key=_rank) for paths in found.values()]


def from_dockerfile(survey: Survey, path: str, known: Sequence[Build] = ()) -> Found:
    """Return the service that a Dockerfile makes, from the context that ``known`` builds name."""
    context, why = _context(survey, path, known)
    return Found(
        name=service_name(survey, path),
        dockerfile=path,
        context=context.folder,
        why=f"{path}; {why}",
        inputs=tuple(inputs(survey, context.folder, path)),
        missing=context.missing,
    )


def stages(dockerfile: str) -> list[str]:
    """Return the names of a Dockerfile's stages, in order; empty for one without."""
    lines = [line.split() for line in instructions(dockerfile)]
    return [
        words[-1] if len(words) > 2 and words[-2].upper() == "AS" else ""
        for words in lines
        if words and words[0].upper() == "FROM"
    ]


def declared(
    survey: Survey, name: str, context: str, dockerfile: str, target: str,
    args: Mapping[str, str], why: str,
) -> Found:  # fmt: skip
    """Return a service that a file declares; a Dockerfile that is not there is missing."""
    there = survey.has(dockerfile)
    wanted = sources(survey.text(dockerfile)) if there else []
    return Found(
        name=slug(name),
        dockerfile=dockerfile,
        context=context,
        why=why,
        target=target,
        args=args,
        inputs=tuple(inputs(survey, context, dockerfile)) if there else (),
        missing=lacking(survey, context, wanted).missing if there else (dockerfile,),
    )


def _context(survey: Survey, path: str, known: Sequence[Build]) -> tuple[Context, str]:
    """Return the context of a Dockerfile, and why."""
    wanted = sources(survey.text(path))
    for build in known:
        folder = build.context_of(path) if build.makes(path) else None
        told = lacking(survey, folder, wanted) if folder else None
        if told and not told.missing:
            return told, f"context as in {build.where}"
    context = fitting(survey, path)
    if context.folder == str(PurePosixPath(path).parent):
        return context, "its own folder has all it copies"
    return context, "the innermost folder with all it copies"


def _rank(path: str) -> tuple[int, str]:
    variant = _affix(path)
    return (0 if variant in _FOR_RELEASES else 2 if variant in _FOR_WORK else 1, path)


def _affix(path: str) -> str:
    """Return what a Dockerfile's name has besides: ``prod`` of ``Dockerfile.prod``."""
    name = PurePosixPath(path).name
    for part in (name.removesuffix(".Dockerfile"), name.partition(".")[2]):
        if part and part != name and slug(part) != "dockerfile":
            return slug(part)
    return ""


def service_name(survey: Survey, path: str) -> str:
    """Return what a Dockerfile's service is called: by its file's name, or its folder's."""
    affix = _affix(path)
    own = "" if affix in (*_FOR_RELEASES, *_FOR_WORK) else affix
    if own and [_affix(other) for other in dockerfiles(survey)].count(own) == 1:
        return own
    folders = [part for part in PurePosixPath(path).parts[:-1] if part not in _KINDS]
    folder = slug(folders[-1] if folders else survey.name)
    return slug(f"{folder}-{own}") or "service"
