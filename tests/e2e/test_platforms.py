"""Images for several platforms: an index, of which every host runs its own manifest.

Programs of another platform cannot run here, so what is built for it only copies files.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.monorepo import SERVICES, Make, Monorepo

PLATFORMS = {"linux/amd64", "linux/arm64"}

DOCKERFILE = """\
FROM python:3.13-slim AS amd64
FROM scratch AS arm64
FROM ${{TARGETARCH}}
COPY shared {service} /app/
"""

COMPOSE = """\
services:
  web: {image: "${BUILDONCE_IMAGE_WEB:?}", command: [sleep, infinity], init: true}
  jobs: {image: "${BUILDONCE_IMAGE_JOBS:?}", command: [sleep, infinity], init: true}
"""


@pytest.fixture
def several(make: Make) -> Iterator[Monorepo]:
    """A release for two platforms; staging runs containers."""
    repo = make()
    text = (repo.root / "pyproject.toml").read_text()
    tool, staging = "[tool.buildonce]\n", "[tool.buildonce.environments.staging]\n"
    engine = f'engine = "compose"\nfile = "compose.yaml"\nproject = "{repo.namespace}"\n'
    text = text.replace(tool, f"{tool}platform = {json.dumps(sorted(PLATFORMS))}\n")
    files = {f"{service}/Dockerfile": DOCKERFILE.format(service=service) for service in SERVICES}
    files |= {"pyproject.toml": text.replace(staging, staging + engine), "compose.yaml": COMPOSE}
    repo.commit("Two platforms", files)
    repo.inv("build", "--sha")
    yield repo
    docker(repo, "compose", "--project-name", repo.namespace, "down", "--timeout", "1")


def docker(repo: Monorepo, *arguments: str) -> str:
    return subprocess.run(
        ["docker", *arguments], env=repo.env, check=True, capture_output=True, text=True
    ).stdout


def crane(*arguments: str) -> str:
    return subprocess.run(["crane", *arguments], check=True, capture_output=True, text=True).stdout


def test_each_service_is_one_index(several: Monorepo) -> None:
    """Another program finds both platforms and no attestation, each labelled by the commit."""
    recorded = several.record(f"releases/{several.sha()}.json")["services"]
    for service in SERVICES:
        image = f"{several.images(service)}:{several.sha()}"
        assert crane("digest", image).strip() == recorded[service]["digest"]
        listed = json.loads(crane("manifest", image))["manifests"]
        found = {
            f"{one['platform']['os']}/{one['platform']['architecture']}": one["digest"]
            for one in listed
        }
        assert found == recorded[service]["platforms"]
        assert set(found) == PLATFORMS
        for platform in PLATFORMS:
            labels = json.loads(crane("config", "--platform", platform, image))["config"]["Labels"]
            assert labels["org.opencontainers.image.revision"] == several.git("rev-parse", "HEAD")


@pytest.mark.nightly
def test_a_host_runs_the_release(several: Monorepo) -> None:
    """What the containers of one platform run is recognised as the index, and proven."""
    several.inv("promote", "staging")
    several.inv("promote", "production")
    rows = several.inv("verify", "--json").json()["evidence"]
    assert {row["check"] for row in rows if row["check"].startswith("platform")} == {
        f"platform, {platform}" for platform in PLATFORMS
    }
    containers = [row for row in rows if row["check"] == "container"]
    assert {row["service"] for row in containers} == set(SERVICES)
    assert "nothing to do" in several.inv("promote", "staging").out


@pytest.mark.nightly
def test_a_lost_platform_is_found(several: Monorepo) -> None:
    """Where one platform's manifest is gone, nothing is promoted, and verify would name it."""
    several.inv("promote", "staging")
    recorded = several.record(f"releases/{several.sha()}.json")["services"]["web"]
    several.images("web").delete(recorded["platforms"]["linux/arm64"])
    assert (
        recorded["platforms"]["linux/arm64"] in several.inv("promote", "production", expect=5).err
    )
    done = several.inv("verify", "--env", "staging", expect=9)
    assert "platform, linux/arm64" in done.out


@pytest.mark.nightly
def test_what_did_not_change_is_taken_over(several: Monorepo, make: Make, tmp_path: Path) -> None:
    """The next commit has the same index of an unchanged service; an archive brings it whole."""
    before = several.digests(several.sha())
    several.commit("Change", {"web/web.txt": "changed\n"})
    several.inv("build", "--sha")
    after = several.digests(several.sha())
    assert after["jobs"] == before["jobs"]
    assert after["web"] != before["web"]
    other = make()
    several.inv("bundle", "HEAD", "--output", str(tmp_path / "release.tar"))
    other.inv("bundle", "--load", str(tmp_path / "release.tar"))
    assert other.digests(several.sha()) == after
    other.inv("promote", "staging", "--sha", several.sha())
    other.inv("verify", "--env", "staging")
