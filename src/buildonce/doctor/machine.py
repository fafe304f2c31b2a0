"""The programs on this machine: docker, Buildx and its builder, Compose."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

from buildonce.app import App
from buildonce.doctor.findings import Finding

_MINIMUM_BUILDX = (0, 19)
"""The first whose `bake --allow` knows file systems: see its release notes."""

_NO_BUILD = "nothing can be built on this machine"


def engine(_app: App) -> Iterator[Finding]:
    """See that an engine answers."""
    version = docker("version", "--format", "{{.Server.Version}}")
    if version is None:
        remedy = "start Docker, or set DOCKER_HOST"
        yield Finding("engine", "does not answer", "problem", _NO_BUILD, remedy)
    else:
        yield Finding("engine", f"Docker {version}")


def buildx(_app: App) -> Iterator[Finding]:
    """See that Buildx is there, and new enough."""
    version = docker("buildx", "version")
    if version is None:
        yield Finding("Buildx", "missing", "problem", _NO_BUILD, "install Docker's Buildx plugin")
        return
    number, shown = buildx_version(version), version.rpartition("/buildx ")[2]
    if number and number < _MINIMUM_BUILDX:
        yield Finding("Buildx", shown, "problem", _NO_BUILD, "install Buildx 0.19 or later")
    else:
        yield Finding("Buildx", shown)


def buildx_version(shown: str) -> tuple[int, int] | None:
    """Return major and minor of what ``docker buildx version`` shows, if it has them."""
    found = re.search(r"\bv?(\d+)\.(\d+)", shown)
    return (int(found[1]), int(found[2])) if found else None


def cache_export(app: App) -> Iterator[Finding]:
    """See that the builder can export a layer cache, where the project wants one."""
    shown = docker("buildx", "inspect")
    if shown is None:
        yield _builder("none", "docker buildx create --use")
        return
    driver, error = _field(shown, "Driver"), _field(shown, "Error")
    if error or not driver:
        yield _builder(error or "does not tell its driver", "docker buildx inspect --bootstrap")
    elif driver != "docker" or not app.project.cache:
        yield Finding("builder", f"driver {driver}")
    elif _has_containerd_store():
        yield Finding("builder", "driver docker, containerd image store")
    else:
        yield Finding(
            "builder", "driver docker without the containerd image store", "problem",
            "inv build fails: this builder cannot export the layer cache",
            "docker buildx create --use, or enable the containerd image store, or cache = false",
        )  # fmt: skip


def compose(_app: App) -> Iterator[Finding]:
    """See that Compose is there, which reads Compose and stack files."""
    version = docker("compose", "version", "--short")
    if version:
        yield Finding("Compose", version)
    else:
        cost = "no environment with a Compose or stack file can be deployed from here"
        yield Finding("Compose", "missing", "problem", cost, "install Docker's Compose plugin")


def docker(*arguments: str) -> str | None:
    """Return what the docker client prints; None where it fails or does not end."""
    try:
        result = subprocess.run(
            ["docker", *arguments], capture_output=True, encoding="utf-8", errors="replace",
            timeout=20,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def _builder(found: str, remedy: str) -> Finding:
    return Finding("builder", found, "problem", _NO_BUILD, remedy)


def _has_containerd_store() -> bool:
    status = json.loads(docker("info", "--format", "{{json .DriverStatus}}") or "null") or []
    return ["driver-type", "io.containerd.snapshotter.v1"] in status


def _field(shown: str, name: str) -> str:
    """Return the value of a line ``NAME: VALUE``; empty where there is none."""
    lines = dict(line.partition(":")[::2] for line in shown.splitlines())
    return lines.get(name, "").strip()
