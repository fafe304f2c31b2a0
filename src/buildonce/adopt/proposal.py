"""The proposal: services, environments and files, why, and what is left to decide."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from buildonce.adopt import clusters, decisions, skaffold
from buildonce.adopt import compose as compose_files
from buildonce.adopt.bases import Base, bases
from buildonce.adopt.builds import Build, builds
from buildonce.adopt.clusters import DEFAULT_IMAGE, Names
from buildonce.adopt.compose import ComposeFile
from buildonce.adopt.dockerfiles import from_dockerfile, variants
from buildonce.adopt.manifests import Manifests, Place
from buildonce.adopt.release import release_file
from buildonce.adopt.service import Found, distinct, slug
from buildonce.adopt.survey import Survey
from buildonce.config import PROJECT_FILE
from buildonce.errors import PreconditionError

TASKS_FILE = "tasks.py"
TASKS = """from buildonce.tasks import release_tasks

namespace = release_tasks(__file__)
"""
_REGISTRIES = {"github.com": "ghcr.io", "gitlab.com": "registry.gitlab.com"}
_UNKNOWN_REGISTRY = "registry.example.com"


@dataclass(frozen=True)
class Proposal:
    """``files`` has what is to be written; those of ``added_to`` get it at their end."""

    services: tuple[Found, ...]
    registry: str
    environments: tuple[str, ...]
    table: str
    files: Mapping[str, str]
    added_to: tuple[str, ...]
    decisions: tuple[str, ...]


def propose(survey: Survey) -> Proposal:
    """Propose how a repository's services are released.

    Raises:
        PreconditionError: it has no Dockerfile, or is set up already.
    """
    existing = survey.text(PROJECT_FILE) if PROJECT_FILE in survey.files else ""
    if "[tool.buildonce" in existing:
        raise PreconditionError(
            f"{PROJECT_FILE} has a [tool.buildonce] table already", hint="inv doctor"
        )
    compose = compose_files.compose_file(survey)
    known = builds(survey)
    everything = _services(survey, compose, known)
    made_here = [base for base in bases(survey, everything, known) if not base.made_by.users]
    services = [one for one in everything if one not in [base.made_by for base in made_here]]
    if not services:
        raise PreconditionError(
            f"there is no Dockerfile in {survey.root}",
            hint="write one for each service, then: buildonce init",
        )
    environments = _environments(Manifests(survey).places)
    composed = None if any(environments.values()) else compose
    released = composed if _runs(services) else None
    names = clusters.names(services, _places(environments)) or Names(_registry(survey))
    table = _table(survey, names, services, environments, released)
    table += _bases(made_here, names.registry)
    files = {PROJECT_FILE: table}
    if TASKS_FILE not in survey.files:
        files[TASKS_FILE] = TASKS
    if released and released.release_path not in survey.files:
        files[released.release_path] = release_file(survey, released, services)
    return Proposal(
        tuple(services), names.registry, tuple(environments), table, files,
        added_to=(PROJECT_FILE,) if existing else (),
        decisions=(
            *_decisions(survey, names, services),
            *decisions.of_contexts(survey, services, known),
            *decisions.of_stages(survey, services),
            *decisions.of_bases(made_here, names.registry),
            *decisions.left_out(survey, services, made_here),
            *(decisions.of_compose(survey, composed, services) if composed else ()),
            *_of_clusters(survey, services, environments),
            _of_ci(survey),
        ),
    )  # fmt: skip


def _runs(services: Sequence[Found]) -> bool:
    return any(service.users for service in services)


def _services(survey: Survey, compose: ComposeFile | None, known: Sequence[Build]) -> list[Found]:
    """Return what a Compose file or Skaffold builds; without either, each Dockerfile."""
    declared = compose_files.built(survey, compose) if compose else []
    declared = declared or skaffold.artifacts(survey)
    return distinct(
        declared or [from_dockerfile(survey, paths[0], known) for paths in variants(survey)]
    )


def _environments(places: Mapping[str, Place]) -> dict[str, Place | None]:
    """Return each environment's manifests, in order; None where there are none."""
    if set(places) <= {""}:
        return dict.fromkeys(("staging", "production"), places.get(""))
    return dict(places)


def _places(environments: Mapping[str, Place | None]) -> dict[str, Place]:
    return {name: place for name, place in environments.items() if place}


def _registry(survey: Survey) -> str:
    host, _, path = survey.address.removeprefix("https://").partition("/")
    known = _REGISTRIES.get(host)
    if known and path:
        return f"{known}/{path.lower()}"
    return f"{_UNKNOWN_REGISTRY}/{slug(survey.name) or 'project'}"


def _table(
    survey: Survey,
    names: Names,
    services: Sequence[Found],
    environments: Mapping[str, Place | None],
    compose: ComposeFile | None,
) -> str:
    remote = [f"ledger_remote = {_quoted(survey.remote)}"] if survey.remote != "origin" else []
    lines = ["[tool.buildonce]", f"registry = {_quoted(names.registry)}"]
    lines += [f"image = {_quoted(names.image)}"] if names.image != DEFAULT_IMAGE else []
    lines += remote if survey.remote else []
    for service in services:
        lines += ["", f"[tool.buildonce.services.{service.name}]", *_keys(service)]
    before = ""
    for name, place in environments.items():
        lines += ["", f"[tool.buildonce.environments.{name}]"]
        lines += [f"after = {_quoted(before)}"] if before else []
        lines += _engine(survey, name, compose) if compose else []
        lines += clusters.keys(survey.name, name, place, services, names) if place else []
        before = name
    return "\n".join(lines) + "\n"


def _bases(made_here: Sequence[Base], registry: str) -> str:
    lines = [f"{_quoted(base.image)} = {_quoted(base.pushed(registry))}" for base in made_here]
    return "\n".join(["", "[tool.buildonce.bases]", *lines, ""]) if lines else ""


def _keys(service: Found) -> Iterator[str]:
    yield f"dockerfile = {_quoted(service.dockerfile)}"
    yield f"context = {_quoted(service.context)}"
    if service.inputs and list(service.inputs) != [service.context]:
        yield f"inputs = [{', '.join(map(_quoted, service.inputs))}]"
    if service.target:
        yield f"target = {_quoted(service.target)}"
    if service.args:
        pairs = ", ".join(f"{key} = {_quoted(value)}" for key, value in service.args.items())
        yield f"args = {{ {pairs} }}"


def _engine(survey: Survey, environment: str, compose: ComposeFile) -> Iterator[str]:
    """Give how it would run containers, for a person to switch on once the host is known."""
    yield '# engine = "compose"'
    yield f"# file = {_quoted(compose.release_path)}"
    yield f"# project = {_quoted(slug(f'{survey.name}-{environment}'))}"
    yield f"# host = {_quoted(f'ssh://deploy@{environment}.example.com')}"


def _decisions(
    survey: Survey,
    names: Names,
    services: Sequence[Found],
) -> Iterator[str]:
    if names.registry.startswith(_UNKNOWN_REGISTRY):
        yield f"registry: {names.registry} is made up; name the one that you push to"
    if not survey.remote:
        yield "git remote: there is none, so the ledger stays here: git remote add origin URL"
    if TASKS_FILE in survey.files:
        yield (
            f"{TASKS_FILE} is there: add the release tasks to its namespace, as "
            "namespace.add_collection(release_tasks(__file__), 'release')"
        )
    for service in services:
        yield from _of_service(service)


def _of_clusters(
    survey: Survey, services: Sequence[Found], environments: Mapping[str, Place | None]
) -> Iterator[str]:
    for name, place in _places(environments).items():
        yield from clusters.decisions(survey.name, name, place, services)
    yield from clusters.of_charts(survey)


def _of_service(service: Found) -> Iterator[str]:
    if service.missing:
        yield (
            f"{service.name}: {service.dockerfile} needs {', '.join(service.missing)}, which git "
            f"does not have in {service.context}: commit it, or make it in the Dockerfile"
        )
    if service.context == "." and not service.inputs:
        yield (
            f"{service.name}: {service.dockerfile} copies the whole repository, so every commit "
            "changes it: copy less, or name its inputs"
        )


def _of_ci(survey: Survey) -> str:
    found = survey.ci or "no CI system was found"
    copies = "buildonce's documentation on CI has files to copy, for GitHub, GitLab and others"
    return f"CI: {found}; {copies}"


def _quoted(text: str) -> str:
    """Return a TOML string: JSON's are, without the escaped slash that Python never writes."""
    return json.dumps(text, ensure_ascii=False)
