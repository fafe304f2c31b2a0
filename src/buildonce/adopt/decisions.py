"""What a proposal did that a person should look at, and what it could not decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from buildonce.adopt.bases import Base
from buildonce.adopt.builds import Build
from buildonce.adopt.compose import ComposeFile, unset_variables
from buildonce.adopt.contexts import copies_all
from buildonce.adopt.dockerfiles import dockerfiles, stages, variants
from buildonce.adopt.mounts import mounts, ported
from buildonce.adopt.release import env_files_outside
from buildonce.adopt.service import Found
from buildonce.adopt.survey import Survey


def of_bases(made_here: Sequence[Base], registry: str) -> Iterator[str]:
    """Give how the images are made that services begin from."""
    for base in made_here:
        yield (
            f"{base.image} is made here, by {base.made_by.dockerfile}, and is no service: push it "
            f"before the first build, and again under another tag when it changes: "
            f"{base.command(registry)}"
        )


def of_contexts(survey: Survey, services: Sequence[Found], known: Sequence[Build]) -> Iterator[str]:
    """Give the services whose context nothing tells: whatever it is, all of it is copied."""
    open_ones = [
        service.name
        for service in services
        if service.context != "."
        and not service.users
        and survey.has(service.dockerfile)
        and copies_all(survey.text(service.dockerfile))
        and not any(build.makes(service.dockerfile) for build in known)
    ]
    if open_ones:
        yield (
            f"{', '.join(open_ones)}: all of the context is copied, and taken to be the "
            'Dockerfile\'s own folder; where you build from the root, context = "."'
        )


def of_stages(survey: Survey, services: Sequence[Found]) -> Iterator[str]:
    """Give the services whose Dockerfile goes on after the stage that is built."""
    for service in services:
        last = stages(survey.text(service.dockerfile))[-1:] if service.target else []
        if last and last != [service.target]:
            yield (
                f"{service.name}: built up to the stage {service.target}, as "
                f"{service.why.partition(',')[0]} says; the last stage of {service.dockerfile} is "
                f"{last[0] or 'another one'}: is it the one for releases?"
            )


def left_out(survey: Survey, services: Sequence[Found], made_here: Sequence[Base]) -> Iterator[str]:
    """Give the Dockerfiles that no service is built from."""
    used = {service.dockerfile for service in services}
    used |= {base.made_by.dockerfile for base in made_here}
    groups = {path: group for group in variants(survey) for path in group}
    for path in dockerfiles(survey):
        if path not in used:
            beside = next((one for one in groups[path] if one in used), "")
            why = f"{beside} beside it is" if beside else "nothing that was read builds it"
            yield f"{path} is not among the services: {why}"


def of_compose(survey: Survey, compose: ComposeFile, services: Sequence[Found]) -> Iterator[str]:
    """Give what the file that runs releases does differently, and what it still needs."""
    for name in unset_variables(survey, compose):
        yield f"{compose.path}: {name} has no value; {_WHERE}"
    yield from _of_env_files(survey, compose)
    yield from _of_mounts(survey, compose, services)
    if any(service.users for service in services):
        yield (
            f"{compose.release_path} runs releases; {compose.path} stays for development. To "
            "deploy with it, uncomment engine, file, project and host of each environment "
            "(without host: the docker client's own engine)"
        )


_WHERE = "set it where inv runs or, if it is no secret, under environments.NAME.variables"


def _of_env_files(survey: Survey, compose: ComposeFile) -> Iterator[str]:
    for one in env_files_outside(survey, compose):
        told = f"{compose.path}: {one.service} reads {one.path}, which git does not have: "
        if one.names:
            yield (
                f"{told}{compose.release_path} asks for its variables by name "
                f"({', '.join(one.names)}); {_WHERE}"
            )
        else:
            yield f"{told}commit it, or name its variables under `environment`"


def _of_mounts(survey: Survey, compose: ComposeFile, services: Sequence[Found]) -> Iterator[str]:
    instead = {(one.mount.service, one.mount.source): one for one in ported(
        survey, compose, services
    )}  # fmt: skip
    for mount in mounts(compose):
        one = instead.get((mount.service, mount.source))
        told = f"{compose.path}: {mount.service} mounts {mount.source} from the repository"
        if one is None:
            yield (
                f"{told}: hosts do not have it; use a named volume for data, `configs` for "
                "files, or bake it into the image"
            )
        elif one.files:
            yield f"{told}: {compose.release_path} has it as `configs`, which cannot be written to"
        else:
            yield f"{told}: its image has it there, so {compose.release_path} leaves it out"
