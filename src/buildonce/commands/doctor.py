"""``inv doctor``: what a release needs, looked at before anything is built."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from buildonce.app import App
from buildonce.errors import BuildonceError, PreconditionError
from buildonce.parallel import run_all

_MINIMUM_BUILDX = (0, 10)


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what was found and, where it is a problem, its remedy."""

    subject: str
    found: str
    remedy: str = ""


def examine(app: App) -> None:
    """Look at everything a release needs and print each problem with its remedy.

    Raises:
        PreconditionError: something has to be mended first.
    """
    examinations: list[Callable[[App], Finding]] = [
        _configuration, _commit, _clone, _ledger, _engine, _buildx, _cache_export, _registry,
    ]  # fmt: skip
    findings = run_all(lambda look: look(app), examinations)
    app.report.table(
        ["", "what", "found", "remedy"],
        [
            ["✗" if finding.remedy else "✓", finding.subject, finding.found, finding.remedy]
            for finding in findings
        ],
    )
    problems = [finding.subject for finding in findings if finding.remedy]
    if problems:
        raise PreconditionError(f"to be mended: {', '.join(problems)}")


def _configuration(app: App) -> Finding:
    try:
        project = app.project
    except BuildonceError as error:
        return Finding("configuration", error.message, error.hint or "mend it")
    return Finding("configuration", f"{len(project.services)} services, {project.registry}")


def _commit(app: App) -> Finding:
    try:
        commit = app.commit()
    except BuildonceError as error:
        return Finding("git", error.message, error.hint or "git init")
    return Finding("git", f"HEAD is {app.sha(commit)} {commit.subject}")


def _clone(app: App) -> Finding:
    if app.git.is_shallow():
        return Finding("clone", "shallow: enough to build; `inv changes` sees less history")
    return Finding("clone", "whole")


def _ledger(app: App) -> Finding:
    try:
        snapshot = app.ledger.read()
    except BuildonceError as error:
        return Finding("ledger", error.message, error.hint)
    remote, branch = app.project.ledger_remote, app.project.ledger_branch
    if not app.git.has_remote(remote):
        return Finding("ledger", f"local branch {branch}; no remote {remote!r}")
    pushed = app.git.attempt("push", "--dry-run", "--quiet", remote, f"HEAD:refs/heads/{branch}-x")
    if pushed.returncode != 0:
        said = pushed.stderr.decode(errors="replace").strip()
        return Finding("ledger", f"{remote} refuses a push: {said}", "get the right to push there")
    return Finding("ledger", f"{remote}/{branch} at {(snapshot.commit or 'nothing yet')[:12]}")


def _engine(_app: App) -> Finding:
    version = _docker("version", "--format", "{{.Server.Version}}")
    if version is None:
        return Finding("engine", "does not answer", "start Docker, or set DOCKER_HOST")
    return Finding("engine", f"Docker {version}")


def _buildx(_app: App) -> Finding:
    version = _docker("buildx", "version")
    if version is None:
        return Finding("Buildx", "missing", "install docker-buildx")
    number = version.split()[1].lstrip("v")
    major, minor = (int(part) for part in number.split(".")[:2])
    if (major, minor) < _MINIMUM_BUILDX:
        return Finding("Buildx", number, "install Buildx 0.10 or later")
    return Finding("Buildx", number)


def _cache_export(app: App) -> Finding:
    builder = _docker("buildx", "inspect")
    if builder is None:
        return Finding("builder", "none", "docker buildx create --use")
    driver = next(
        (line.split()[1] for line in builder.splitlines() if line.startswith("Driver:")), "unknown"
    )
    if driver != "docker" or not app.project.cache:
        return Finding("builder", f"driver {driver}")
    status = json.loads(_docker("info", "--format", "{{json .DriverStatus}}") or "null") or []
    if ["driver-type", "io.containerd.snapshotter.v1"] in status:
        return Finding("builder", "driver docker, containerd image store")
    return Finding(
        "builder",
        "driver docker without the containerd image store cannot export a layer cache",
        "docker buildx create --use, or enable the containerd image store",
    )


def _registry(app: App) -> Finding:
    repository = app.project.repository(next(iter(app.project.services)))
    try:
        app.registry.require_writable(repository)
    except BuildonceError as error:
        return Finding("registry", error.message, error.hint)
    return Finding("registry", f"{repository.registry} answers and takes uploads")


def _docker(*arguments: str) -> str | None:
    try:
        result = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None
