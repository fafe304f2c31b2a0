"""What `inv doctor` reads from other programs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from buildonce.app import App
from buildonce.doctor.findings import Finding
from buildonce.doctor.machine import buildx, buildx_version, cache_export, compose, engine
from tests.kit.docker_program import docker_program

Look = Callable[[App], Iterator[Finding]]

VERSION = "version --format {{.Server.Version}}"
BUILDX = "github.com/docker/buildx v0.{} a32761a"
STORE = '[["Backing Filesystem","extfs"],["driver-type","io.containerd.snapshotter.v1"]]'
DRIVER = "Name:   default\nDriver: {}\n\nNodes:\nName: default"
UNREACHABLE = "Name: default\nDriver: docker\nError: cannot connect"


@pytest.mark.parametrize(
    ("shown", "version"),
    [
        ("github.com/docker/buildx v0.29.1 a32761a", (0, 29)),
        ("github.com/docker/buildx 0.29.1+ds1 0.29.1+ds1-4", (0, 29)),
        ("github.com/docker/buildx v0.10-dev 1234567", (0, 10)),
        ("github.com/docker/buildx v0.9.1-desktop.1 1234567", (0, 9)),
        ("github.com/docker/buildx 9872040b6626fb7d87ef7296fd5b832e8cc2ad17", None),
        ("", None),
    ],
)
def test_buildx_versions_come_in_many_forms(shown: str, version: tuple[int, int] | None) -> None:
    """Distributions and developers have their own; none of them is a traceback."""
    assert buildx_version(shown) == version


def look(at: Look, *, cache: bool = True) -> Finding:
    table = {"registry": "r.example/acme", "services": {"shop": {}}, "cache": cache}
    (finding,) = at(App(Path("/nowhere"), table))
    assert bool(finding.remedy) is bool(finding.cost) is (finding.level == "problem")
    return finding


@pytest.mark.stand_in
@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
@pytest.mark.parametrize(
    ("at", "answers", "found", "remedy"),
    [
        (engine, {VERSION: "28.5.2"}, "Docker 28.5.2", ""),
        (engine, {}, "does not answer", "DOCKER_HOST"),
        (buildx, {"buildx version": BUILDX.format("29.1")}, "v0.29.1 a32761a", ""),
        (buildx, {"buildx version": BUILDX.format("19.0")}, "v0.19.0 a32761a", ""),
        (buildx, {"buildx version": BUILDX.format("18.2")}, "v0.18.2 a32761a", "Buildx 0.19"),
        (buildx, {"buildx version": "github.com/docker/buildx 98720"}, "98720", ""),
        (buildx, {}, "missing", "Buildx plugin"),
        (compose, {"compose version --short": "2.40.3"}, "2.40.3", ""),
        (compose, {"compose version --short": ""}, "missing", "Compose plugin"),
        (compose, {}, "missing", "Compose plugin"),
        (cache_export, {}, "none", "docker buildx create --use"),
        (cache_export, {"buildx inspect": UNREACHABLE}, "cannot connect", "--bootstrap"),
        (cache_export, {"buildx inspect": "Name: x"}, "does not tell its driver", "--bootstrap"),
        (
            cache_export,
            {"buildx inspect": DRIVER.format("docker-container")},
            "driver docker-container",
            "",
        ),
        (
            cache_export,
            {"buildx inspect": DRIVER.format("docker"), "info --format": STORE},
            "driver docker, containerd image store",
            "",
        ),
        (
            cache_export,
            {"buildx inspect": DRIVER.format("docker"), "info --format": "null"},
            "driver docker without the containerd image store",
            "enable the containerd image store",
        ),
        (
            cache_export,
            {"buildx inspect": DRIVER.format("docker")},
            "driver docker without the containerd image store",
            "cache = false",
        ),
    ],
)
def test_each_program_is_looked_at(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    at: Look,
    answers: Mapping[str, str],
    found: str,
    remedy: str,
) -> None:
    """What is there is named with its version; what is missing or too old with its remedy."""
    docker_program(tmp_path, monkeypatch, answers)
    finding = look(at)
    assert finding.found == found
    assert remedy in finding.remedy
    assert bool(remedy) is bool(finding.remedy)


@pytest.mark.stand_in
@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
def test_a_project_without_a_layer_cache_needs_no_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is exported, any builder will do."""
    docker_program(tmp_path, monkeypatch, {"buildx inspect": DRIVER.format("docker")})
    assert look(cache_export, cache=False).found == "driver docker"


@pytest.mark.stand_in
def test_a_machine_without_docker_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look says what to install or start."""
    monkeypatch.setenv("PATH", str(tmp_path))
    levels = [look(at).level for at in (engine, buildx, compose, cache_export)]
    assert levels == ["problem"] * 4
