"""What each environment is deployed by, tried with HEAD and digests that stand in for real ones."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from buildonce.app import App, now
from buildonce.config import Environment
from buildonce.doctor import ports
from buildonce.doctor.findings import Examination, Finding, of_error
from buildonce.engines import bind, bundle, externals, require_answer
from buildonce.engines.base import Deployment
from buildonce.engines.compose import names
from buildonce.engines.composefile import required_variables
from buildonce.engines.definition import Definition, how_to_set
from buildonce.engines.docker import Docker
from buildonce.engines.sources import Sources
from buildonce.errors import BuildonceError, UnavailableError
from buildonce.ledger.records.release import Image, Release
from buildonce.refs import digest_of
from buildonce.targets import target_of


def examinations(app: App) -> list[Examination]:
    """Return what is looked at for the environments that run containers."""
    try:
        environments = app.project.environments
    except BuildonceError:
        return []
    each = [
        examination
        for name, settings in environments.items()
        if settings.engine != "none"
        for examination in _of_environment(name, settings)
    ]
    return [*each, Examination("ports", "nothing can be deployed", ports.examine)]


def _of_environment(name: str, settings: Environment) -> Iterator[Examination]:
    if settings.is_observed:
        cost = f"inv verify cannot tell what {name} runs"
        yield Examination(f"containers of {name}", cost, partial(_sight, name))
        return
    cost = f"nothing can be promoted to {name}"
    yield Examination(f"host of {name}", cost, partial(_host, name, settings))
    yield Examination(f"files of {name}", cost, partial(_files, name, settings))


def _host(name: str, settings: Environment, _app: App) -> Iterator[Finding]:
    target = target_of(name, settings)
    require_answer(target)
    yield Finding(f"host of {name}", f"{target} answers")


def _sight(name: str, app: App) -> Iterator[Finding]:
    observer = app.targets.observe(name, _head(app, name), app.ledger.read())
    assert observer is not None
    observer.check()
    found = f"{observer.deployment.target} can be looked at; another tool deploys there"
    yield Finding(f"containers of {name}", found)


def _files(name: str, settings: Environment, app: App) -> Iterator[Finding]:
    deployment = _deployment(app, name)
    check = _check_cluster if settings.engine == "kubernetes" else _check_definition
    subject, cost = f"files of {name}", f"inv promote {name} refuses it before anything is touched"
    problems = check(deployment)
    yield from (of_error(subject, error, cost) for error in problems)
    if not problems:
        yield Finding(subject, f"{', '.join(settings.files)}: can be deployed from HEAD")
    if settings.engine != "kubernetes" and not problems:
        yield from (of_error(subject, error, cost) for error in _check_host(deployment))


def _deployment(app: App, environment: str) -> Deployment:
    """Return HEAD on its way to an environment, as if it had been built."""
    engine = app.targets.bind(environment, _head(app, environment), app.ledger.read())
    assert engine is not None
    return replace(engine.deployment, bundle=None)


def _head(app: App, environment: str) -> Release:
    head, project = app.commit(), app.project
    nothing = digest_of(b"")
    images = {
        name: Image(image=str(project.repository(name)), digest=nothing)
        for name in project.environment(environment).services or project.services
    }
    return Release(
        revision=head.revision, sha=app.sha(head), expects=tuple(images), services=images,
        built_at=now(), built_by="", built_with="",
    )  # fmt: skip


def _check_cluster(deployment: Deployment) -> list[BuildonceError]:
    """Return what is wrong with the files themselves, and what the cluster says of them."""
    engine = bind(deployment)
    return _errors([engine.render, engine.check])


def _check_definition(deployment: Deployment) -> list[BuildonceError]:
    """Return everything that is wrong with Compose or stack files, and variables without value."""
    docker = Docker(deployment.target)
    with tempfile.TemporaryDirectory(prefix="buildonce-") as folder:
        root = deployment.files.export(Path(folder) / "tree")
        sources = Sources(docker, root, deployment.files.paths)
        if problems := bundle.problems(sources):
            return [*problems, *_unset(deployment, sources)]
        made = replace(deployment, bundle=bundle.make_bundle(sources))
    definition = Definition(made, docker)
    return _errors(
        [lambda: definition.text, lambda: definition.parts, definition.require_variables]
    )


def _check_host(deployment: Deployment) -> list[BuildonceError]:
    """Return what the host lacks, as far as it answers."""
    docker = Docker(deployment.target)
    definition = Definition(deployment, docker)
    checks = [lambda: externals.require(definition.resolved, docker)]
    if deployment.target.engine == "compose":
        checks.append(lambda: names.require_free(definition, docker))
    return [error for error in _errors(checks) if not isinstance(error, UnavailableError)]


def _unset(deployment: Deployment, sources: Sources) -> list[BuildonceError]:
    """Return that variables have no value, as far as the files' own text tells."""
    files = [sources.root / file for file in sources.files]
    text = "\n".join(file.read_text(errors="replace") for file in files if file.is_file())
    given = {*os.environ, *deployment.variables}
    with suppress(BuildonceError):
        given |= {*sources.values({})}
    missing = required_variables(text, given)
    missing = {name for name in missing if not name.startswith("BUILDONCE_IMAGE_")}
    name = deployment.target.name
    if not missing:
        return []
    return [
        BuildonceError(
            f"{name} needs a value for: {', '.join(sorted(missing))}",
            hint=how_to_set(min(missing), deployment.target),
        )
    ]


def _errors(checks: Sequence[Callable[[], object]]) -> list[BuildonceError]:
    """Return the distinct errors of several checks."""
    found: dict[str, BuildonceError] = {}
    for check in checks:
        try:
            check()
        except BuildonceError as error:
            found.setdefault(error.message, error)
    return list(found.values())
