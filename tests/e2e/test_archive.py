"""`inv bundle` on the command line: a release that is deployed where its commit never was."""

from __future__ import annotations

import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from tests.kit.monorepo import SERVICES, Make, Monorepo

ENGINE = """
engine = "compose"
file = "compose.yaml"
project = "{name}"
"""

COMPOSE = """\
services:
  web: {image: "${BUILDONCE_IMAGE_WEB:?}", command: [sleep, infinity], init: true}
  jobs: {image: "${BUILDONCE_IMAGE_JOBS:?}", command: [sleep, infinity], init: true}
"""


def configured(repo: Monorepo, name: str) -> str:
    """The configuration in which staging runs containers."""
    text = (repo.root / "pyproject.toml").read_text()
    table = "[tool.buildonce.environments.staging]\n"
    return text.replace(table, table + ENGINE.format(name=name))


@pytest.mark.nightly
def test_a_release_is_deployed_where_there_is_no_network(make: Make, tmp_path: Path) -> None:
    """From the file alone, images and deployment files come up, and are proven and taken back."""
    inside, outside = make(), make()
    name = f"{inside.namespace}-staging"
    outside.commit("Deploy", {"pyproject.toml": configured(outside, name), "compose.yaml": COMPOSE})
    outside.inv("build", "--sha")
    file = tmp_path / "release.tar"
    outside.inv("bundle", "HEAD", "--output", str(file))
    inside.commit("Configure", {"pyproject.toml": configured(inside, name)})
    done = inside.inv("bundle", "--load", str(file))
    sha = outside.sha()
    assert f"inv promote ENV --sha {sha}" in done.out
    assert inside.digests(sha) == outside.digests(sha)
    try:
        inside.inv("promote", "staging", "--sha", sha)
        inside.inv("verify", "--env", "staging")
    finally:
        command = ["docker", "compose", "--project-name", name, "down", "--timeout", "1"]
        subprocess.run(command, env=inside.env, check=True, capture_output=True)


def test_other_programs_read_it(make: Make, tmp_path: Path) -> None:
    """Skopeo finds each service's image in the file, with the recorded digest."""
    repo = make()
    repo.inv("build", "--sha")
    file = tmp_path / "release.tar"
    repo.inv("bundle", repo.sha(), "--output", str(file))
    for service in SERVICES:
        command = ["skopeo", "inspect", "--raw", f"oci-archive:{file}:{service}"]
        raw = subprocess.run(command, check=True, capture_output=True).stdout
        assert f"sha256:{sha256(raw).hexdigest()}" == repo.digests(repo.sha())[service]


def test_it_is_told_what_to_do(make: Make, tmp_path: Path) -> None:
    """Without a file, with both, or with something else, the message says what is wanted."""
    repo = make()
    assert "inv bundle --load FILE" in repo.inv("bundle", "HEAD", expect=2).err
    other = tmp_path / "other.tar"
    other.write_text("no archive")
    assert "inv bundle SHA --output FILE" in repo.inv("bundle", "--load", str(other), expect=2).err
    assert "was not built" in repo.inv("bundle", "HEAD", "--output", str(other), expect=3).err
    assert other.read_text() == "no archive"
