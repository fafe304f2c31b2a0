"""``inv doctor``: what a release needs, looked at before anything is built."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from buildonce.app import App
from buildonce.engines import require_answer
from buildonce.engines.base import Target
from buildonce.errors import BuildonceError, PreconditionError
from buildonce.git.repository import complaint
from buildonce.parallel import run_by_key
from buildonce.targets import target_of

_MINIMUM_BUILDX = (0, 10)


@dataclass(frozen=True)
class Finding:
    """What was found and, where it is a problem, its remedy."""

    found: str
    remedy: str = ""


def examine(app: App) -> None:
    """Look at everything a release needs and print each problem with its remedy.

    Raises:
        PreconditionError: something has to be mended first.
    """
    looks = {**_EXAMINATIONS, **_deploying(app)}
    findings = run_by_key(lambda look: _look(look, app), looks)
    app.report.table(
        ["", "what", "found", "remedy"],
        [
            ["✗" if finding.remedy else "✓", subject, finding.found, finding.remedy]
            for subject, finding in findings.items()
        ],
    )
    problems = [subject for subject, finding in findings.items() if finding.remedy]
    if problems:
        raise PreconditionError(f"to be mended: {', '.join(problems)}")


def _look(look: Callable[[App], Finding], app: App) -> Finding:
    try:
        return look(app)
    except BuildonceError as error:
        hint = "" if error.hint == "inv doctor" else error.hint
        return Finding(error.message, hint or "mend it, then run inv doctor again")


def _configuration(app: App) -> Finding:
    project = app.project
    return Finding(f"{len(project.services)} services, {project.registry}")


def _commit(app: App) -> Finding:
    commit = app.commit()
    return Finding(f"HEAD is {app.sha(commit)} {commit.subject}")


def _clone(app: App) -> Finding:
    if app.git.is_shallow():
        return Finding("shallow: enough to build; `inv changes` sees less history")
    return Finding("whole")


def _ledger(app: App) -> Finding:
    snapshot = app.ledger.read()
    remote, branch = app.project.ledger_remote, app.project.ledger_branch
    if not app.git.has_remote(remote):
        return Finding(f"local branch {branch}; no remote {remote!r}")
    pushed = app.git.attempt_at(
        remote,
        "push",
        "--dry-run",
        "--no-verify",
        "--quiet",
        "--no-signed",
        "--recurse-submodules=no",
        remote,
        f"HEAD:refs/heads/{branch}-x",
    )
    if pushed.returncode != 0:
        reason = complaint(pushed)
        return Finding(f"{remote} refuses a push: {reason}", "get the right to push there")
    return Finding(f"{remote}/{branch} at {(snapshot.commit or 'nothing yet')[:12]}")


def _engine(_app: App) -> Finding:
    version = _docker("version", "--format", "{{.Server.Version}}")
    if version is None:
        return Finding("does not answer", "start Docker, or set DOCKER_HOST")
    return Finding(f"Docker {version}")


def _buildx(_app: App) -> Finding:
    version = _docker("buildx", "version")
    if version is None:
        return Finding("missing", "install docker-buildx")
    number, shown = buildx_version(version), version.rpartition("/buildx ")[2]
    if number and number < _MINIMUM_BUILDX:
        return Finding(shown, "install Buildx 0.10 or later")
    return Finding(shown)


def buildx_version(shown: str) -> tuple[int, int] | None:
    """Return major and minor of what ``docker buildx version`` shows, if it has them."""
    found = re.search(r"\bv?(\d+)\.(\d+)", shown)
    return (int(found[1]), int(found[2])) if found else None


def _cache_export(app: App) -> Finding:
    builder = _docker("buildx", "inspect")
    if builder is None:
        return Finding("none", "docker buildx create --use")
    driver, error = _field(builder, "Driver"), _field(builder, "Error")
    if error or not driver:
        return Finding(error or "does not tell its driver", "docker buildx inspect --bootstrap")
    if driver != "docker" or not app.project.cache:
        return Finding(f"driver {driver}")
    status = json.loads(_docker("info", "--format", "{{json .DriverStatus}}") or "null") or []
    if ["driver-type", "io.containerd.snapshotter.v1"] in status:
        return Finding("driver docker, containerd image store")
    return Finding(
        "driver docker without the containerd image store cannot export a layer cache",
        "docker buildx create --use, or enable the containerd image store",
    )


def _registry(app: App) -> Finding:
    repository = app.project.repository(next(iter(app.project.services)))
    app.registry.require_writable(repository)
    return Finding(f"{repository.registry} answers and takes uploads")


def _compose(_app: App) -> Finding:
    version = _docker("compose", "version", "--short")
    return Finding(version) if version else Finding("missing", "install docker-compose")


def _deploying(app: App) -> dict[str, Callable[[App], Finding]]:
    """Return what is looked at only where environments run containers."""
    try:
        project = app.project
    except BuildonceError:
        return {}
    targets = {
        f"host of {name}": partial(_host, target_of(name, environment))
        for name, environment in project.environments.items()
        if environment.engine != "none"
    }
    engines = {environment.engine for environment in project.environments.values()}
    return {**({"Compose": _compose} if engines & {"compose", "swarm"} else {}), **targets}


def _host(target: Target, _app: App) -> Finding:
    require_answer(target)
    return Finding(f"{target} answers")


_EXAMINATIONS: Mapping[str, Callable[[App], Finding]] = {
    "configuration": _configuration,
    "git": _commit,
    "clone": _clone,
    "ledger": _ledger,
    "engine": _engine,
    "Buildx": _buildx,
    "builder": _cache_export,
    "registry": _registry,
}


def _field(shown: str, name: str) -> str:
    """Return the value of a line ``NAME: VALUE``; empty where there is none."""
    lines = dict(line.partition(":")[::2] for line in shown.splitlines())
    return lines.get(name, "").strip()


def _docker(*arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ["docker", *arguments], capture_output=True, encoding="utf-8", errors="replace",
            timeout=20,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None
