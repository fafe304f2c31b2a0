"""The proposal: services, environments and files, why, and what is left to decide."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from buildonce.adopt import compose as compose_files
from buildonce.adopt import decisions, kubernetes
from buildonce.adopt.bases import Base, bases
from buildonce.adopt.builds import Build, builds
from buildonce.adopt.compose import ComposeFile
from buildonce.adopt.dockerfiles import from_dockerfile, variants
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
    environments: Mapping[str, str]
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
    environments = _environments(survey)
    registry = _registry(survey)
    table = _table(survey, registry, services, environments, compose)
    table += _bases(made_here, registry)
    files = {PROJECT_FILE: table}
    if TASKS_FILE not in survey.files:
        files[TASKS_FILE] = TASKS
    if compose and _runs(services) and compose.release_path not in survey.files:
        files[compose.release_path] = release_file(survey, compose, services)
    return Proposal(
        tuple(services), registry, environments, table, files,
        added_to=(PROJECT_FILE,) if existing else (),
        decisions=(
            *_decisions(survey, registry, services, environments),
            *decisions.of_contexts(survey, services, known),
            *decisions.of_stages(survey, services),
            *decisions.of_bases(made_here, registry),
            *decisions.left_out(survey, services, made_here),
            *(decisions.of_compose(survey, compose, services) if compose else ()),
            _of_ci(survey),
        ),
    )  # fmt: skip


def _runs(services: Sequence[Found]) -> bool:
    return any(service.users for service in services)


def _services(survey: Survey, compose: ComposeFile | None, known: Sequence[Build]) -> list[Found]:
    """Return what a Compose file or Skaffold builds; without either, each Dockerfile."""
    declared = compose_files.built(survey, compose) if compose else []
    declared = declared or kubernetes.artifacts(survey)
    return distinct(
        declared or [from_dockerfile(survey, paths[0], known) for paths in variants(survey)]
    )


def _environments(survey: Survey) -> dict[str, str]:
    """Return each environment's folder of manifests, in order; none where there are no overlays."""
    return kubernetes.overlays(survey) or {"staging": "", "production": ""}


def _registry(survey: Survey) -> str:
    host, _, path = survey.address.removeprefix("https://").partition("/")
    known = _REGISTRIES.get(host)
    if known and path:
        return f"{known}/{path.lower()}"
    return f"{_UNKNOWN_REGISTRY}/{slug(survey.name) or 'project'}"


def _table(
    survey: Survey,
    registry: str,
    services: Sequence[Found],
    environments: Mapping[str, str],
    compose: ComposeFile | None,
) -> str:
    remote = [f"ledger_remote = {_quoted(survey.remote)}"] if survey.remote != "origin" else []
    lines = ["[tool.buildonce]", f"registry = {_quoted(registry)}"]
    lines += remote if survey.remote else []
    for service in services:
        lines += ["", f"[tool.buildonce.services.{service.name}]", *_keys(service)]
    before = ""
    for name in environments:
        lines += ["", f"[tool.buildonce.environments.{name}]"]
        lines += [f"after = {_quoted(before)}"] if before else []
        lines += _engine(survey, name, compose) if compose and _runs(services) else []
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
    registry: str,
    services: Sequence[Found],
    environments: Mapping[str, str],
) -> Iterator[str]:
    if registry.startswith(_UNKNOWN_REGISTRY):
        yield f"registry: {registry} is made up; name the one that you push to"
    if not survey.remote:
        yield "git remote: there is none, so the ledger stays here: git remote add origin URL"
    if TASKS_FILE in survey.files:
        yield (
            f"{TASKS_FILE} is there: add the release tasks to its namespace, as "
            "namespace.add_collection(release_tasks(__file__), 'release')"
        )
    for service in services:
        yield from _of_service(service)
    for name, folder in environments.items():
        if folder:
            yield f"{name}: its manifests are in {folder}; docs/deploy.md has the engines"


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
    return f"CI: {found}; docs/ci.md has files to copy, for GitHub, GitLab and others"


def _quoted(text: str) -> str:
    """Return a TOML string: JSON's are, without the escaped slash that Python never writes."""
    return json.dumps(text, ensure_ascii=False)
