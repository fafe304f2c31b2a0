"""Services from Dockerfiles alone, where no other file says how they are built."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from buildonce.adopt.contexts import fitting, inputs, lacking, sources
from buildonce.adopt.service import Found, slug
from buildonce.adopt.survey import Survey

PATTERNS = ("Dockerfile", "Dockerfile.*", "*.Dockerfile", "Containerfile", "Containerfile.*")
_NOT_TO_RUN = {".devcontainer", "docs", "example", "examples", "test", "tests", "testdata"}
_SUFFIXES_OF_OTHERS = {"dockerignore", "j2", "md", "template", "tmpl"}
_KINDS = {"build", "container", "docker", "image", "images"}


def dockerfiles(survey: Survey) -> list[str]:
    """Return the Dockerfiles, without those of tests, examples and development containers."""
    return [
        path
        for path in survey.named(*PATTERNS)
        if not _NOT_TO_RUN & set(PurePosixPath(path).parts[:-1])
        and path.rpartition(".")[2] not in _SUFFIXES_OF_OTHERS
    ]


def from_dockerfile(survey: Survey, path: str) -> Found:
    """Return the service that a Dockerfile makes."""
    context = fitting(survey, path)
    whole = context.folder == str(PurePosixPath(path).parent)
    why = "its own folder has all it copies" if whole else "the innermost folder with all it copies"
    return Found(
        name=service_name(survey, path),
        dockerfile=path,
        context=context.folder,
        why=f"{path}; {why}",
        inputs=tuple(inputs(survey, context.folder, path)),
        missing=context.missing,
    )


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


def service_name(survey: Survey, path: str) -> str:
    """Return what a Dockerfile's service is called: by its file's name, or its folder's."""
    name = PurePosixPath(path).name
    for part in (name.removesuffix(".Dockerfile"), name.partition(".")[2]):
        if part and part != name and slug(part) not in ("dockerfile", ""):
            return slug(part)
    folders = [part for part in PurePosixPath(path).parts[:-1] if part not in _KINDS]
    return slug(folders[-1] if folders else survey.name) or "service"
