"""Environments that pull from a registry of their own: the same bytes, in another place."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pytest

import lab
from tests.kit.docker_recorder import DockerRecorder
from tests.kit.monorepo import SERVICES, Make, Monorepo, ended


@dataclass(frozen=True)
class Apart:
    """A monorepo whose production pulls from another registry, which wants a login."""

    repo: Monorepo
    own: lab.Lab

    def crane(self, *arguments: str) -> bytes:
        """What another program says of the registries."""
        command = ["crane", *arguments]
        return subprocess.run(command, env=self.repo.env, check=True, capture_output=True).stdout

    def copy(self, service: str, tag: str) -> str:
        return f"{self.own.registry}/{self.repo.namespace}/{service}:{tag}"

    def digests(self, tag: str) -> dict[str, str]:
        """What a tag names in production's registry, for each service."""
        return {service: self.digest(service, tag) for service in SERVICES}

    def digest(self, service: str, tag: str) -> str:
        return self.crane("digest", self.copy(service, tag)).decode().strip()

    def missing(self, service: str, tag: str) -> bool:
        """Whether production's registry has no such tag."""
        with pytest.raises(subprocess.CalledProcessError) as error:
            self.digest(service, tag)
        return (
            "NOT_FOUND" in error.value.stderr.decode() or "UNKNOWN" in error.value.stderr.decode()
        )


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    """A second registry, with a login of its own."""
    state = tmp_path_factory.mktemp("own") / "lab"
    with lab.guarded(state):
        yield lab.up(engine=False, auth=True, state=state)


@pytest.fixture
def apart(make: Make, own: lab.Lab) -> Apart:
    """A release that staging runs."""
    assert own.docker_config is not None
    made = make()
    repo = replace(made, env={**made.env, "DOCKER_CONFIG": str(own.docker_config)})
    text = (repo.root / "pyproject.toml").read_text()
    table = "[tool.buildonce.environments.production]\n"
    ours = f'{table}registry = "{own.registry}"\n'
    repo.commit("Pull from a registry of our own", {"pyproject.toml": text.replace(table, ours)})
    repo.inv("build", "--sha")
    repo.inv("promote", "staging")
    return Apart(repo, own)


def test_a_promotion_brings_the_very_bytes(apart: Apart) -> None:
    """Another program reads from the other registry the manifests and blobs that were built."""
    repo = apart.repo
    repo.inv("promote", "production")
    assert apart.digests(repo.sha()) == apart.digests("production") == repo.digests(repo.sha())
    for service in SERVICES:
        image = apart.copy(service, "production").rpartition(":")[0]
        stored = repo.images(service).require(repo.sha())
        for digest in (stored.document["config"]["digest"], *stored.layers):
            assert (
                f"sha256:{sha256(apart.crane('blob', f'{image}@{digest}')).hexdigest()}" == digest
            )
    assert "staging and production are identical" in repo.inv("verify").out


@pytest.mark.nightly
def test_what_is_there_is_not_copied_again(apart: Apart, docker: DockerRecorder) -> None:
    """Of the next release only the service that changed is copied; the same one needs nothing."""
    repo = apart.repo
    repo.inv("promote", "production")
    repo.commit("Change", {"web/web.txt": "changed\n"})
    repo.inv("build", "--sha")
    repo.inv("promote", "staging")
    repo.inv("promote", "production", env=docker.env)
    (call,) = docker.calls()
    assert call.startswith("buildx imagetools create --prefer-index=false")
    assert f"{repo.namespace}/web:{repo.sha()}" in call
    assert apart.digests(repo.sha()) == repo.digests(repo.sha())
    repo.inv("promote", "production", env=docker.env)
    assert len(docker.calls()) == 1
    repo.inv("verify")


def test_a_dry_run_names_the_copies(apart: Apart) -> None:
    """What would be copied, where to, and by which command; nothing is."""
    repo = apart.repo
    done = repo.inv("promote", "production", "--dry-run")
    assert f"copy web, jobs to {apart.own.registry}, which production pulls from" in done.out
    assert f"--tag {apart.copy('web', repo.sha())} {repo.images('web')}@sha256:" in done.out
    assert apart.missing("web", repo.sha())


def test_the_way_back_needs_nothing_of_the_first_registry(apart: Apart) -> None:
    """With its images gone from where they were built, a release comes back all the same."""
    repo = apart.repo
    earlier = repo.digests(repo.sha())
    repo.inv("promote", "production")
    repo.commit("Change", {f"{service}/{service}.txt": "changed\n" for service in SERVICES})
    repo.inv("build", "--sha")
    repo.inv("promote", "staging")
    repo.inv("promote", "production")
    for service, digest in earlier.items():
        assert digest is not None
        repo.images(service).delete(digest)
    repo.inv("rollback", "production")
    assert apart.digests("production") == earlier


@pytest.mark.nightly
def test_a_copy_that_was_killed_is_resumed(apart: Apart, tmp_path: Path) -> None:
    """Killed at its second copy, a promotion is open; `resume` copies the rest and finishes it."""
    repo = apart.repo
    real = shutil.which("docker")
    (tmp_path / "docker").write_text(
        f'#!/bin/sh\ncase "$*" in *imagetools*/jobs:*) kill -9 $INV_PID;; esac\nexec {real} "$@"\n'
    )
    (tmp_path / "docker").chmod(0o755)
    killed = ended(
        repo.start("promote", "production", env={"PATH": f"{tmp_path}:{repo.env['PATH']}"})
    )
    assert killed.code == -signal.SIGKILL
    assert apart.missing("web", "production")
    repo.inv("promote", "production", expect=4)
    repo.inv("resume", "production")
    assert apart.digests("production") == repo.digests(repo.sha())
    repo.inv("verify")


def test_a_missing_login_is_named(apart: Apart) -> None:
    """Without credentials for the other registry nothing is written, and the login is advised."""
    repo, nothing = apart.repo, {"DOCKER_CONFIG": "/nowhere"}
    before = repo.state()
    done = repo.inv("promote", "production", expect=6, env=nothing)
    assert f"docker login {apart.own.registry}" in done.err
    assert repo.state() == before


def test_a_tag_that_holds_other_bytes_is_left_alone(apart: Apart) -> None:
    """Somebody pushed the commit's tag there: exit 5, and nothing is written anywhere."""
    repo = apart.repo
    other = repo.images("jobs").require(repo.sha())
    source = f"{repo.images('jobs')}@{other.digest}"
    apart.crane("copy", source, apart.copy("web", repo.sha()))
    before = repo.ledger()
    done = repo.inv("promote", "production", expect=5)
    assert apart.copy("web", repo.sha()) in done.err
    assert repo.ledger() == before
    assert apart.digest("web", repo.sha()) == other.digest


@pytest.mark.nightly
def test_prune_removes_copies(apart: Apart) -> None:
    """A release that is no longer needed loses its tags in both registries."""
    repo, old = apart.repo, apart.repo.sha()
    repo.inv("promote", "production")
    text = (repo.root / "pyproject.toml").read_text()
    policy = '\n[tool.buildonce.prune]\nkeep_releases = 1\nkeep_for = "0s"\nkeep_rollbacks = 1\n'
    repo.commit("Keep little", {"pyproject.toml": text + policy})
    for number in range(2):
        repo.commit("Change", {"web/web.txt": f"changed {number}\n"})
        repo.inv("build", "--sha")
        repo.inv("promote", "staging")
        repo.inv("promote", "production")
    repo.inv("prune")
    assert apart.missing("web", old)
    assert repo.images("web").get(old) is None
    assert apart.digests(repo.sha()) == repo.digests(repo.sha())


@pytest.mark.nightly
def test_another_program_reads_every_manifest(apart: Apart, docker: DockerRecorder) -> None:
    """Each image of each environment has a second row, hashed from what imagetools printed."""
    repo = apart.repo
    repo.inv("promote", "production")
    done = repo.inv("verify", "--independent", "--json", env=docker.env)
    rows = [row for row in done.json()["evidence"] if row["check"] == "bytes by imagetools"]
    assert {(row["environment"], row["service"]) for row in rows} == {
        (name, service) for name in ("staging", "production") for service in SERVICES
    }
    assert all(row["found"] == repo.digests(repo.sha())[row["service"]] for row in rows)
    assert sum("imagetools inspect --raw" in call for call in docker.calls()) == len(rows)


def test_bytes_that_only_another_program_sees_are_a_difference(
    apart: Apart, tmp_path: Path
) -> None:
    """Where imagetools prints other bytes than were recorded, `verify` ends with exit 9."""
    repo = apart.repo
    (tmp_path / "docker").write_text("#!/bin/sh\necho other\n")
    (tmp_path / "docker").chmod(0o755)
    path = {"PATH": f"{tmp_path}:{repo.env['PATH']}"}
    done = repo.inv("verify", "--env", "staging", "--independent", expect=9, env=path)
    assert "bytes by imagetools" in done.out


def test_status_and_references_are_of_the_own_registry(apart: Apart) -> None:
    """What is printed for other tools, and looked at by `status`, is what production pulls."""
    repo = apart.repo
    repo.inv("promote", "production")
    printed = repo.inv("images", "production", "--format", "json").out
    assert f"{apart.own.registry}/{repo.namespace}/web@sha256:" in printed
    assert f"{repo.registry}/" not in printed
    repo.inv("status", "--check")
    apart.crane("copy", apart.copy("jobs", "production"), apart.copy("web", "production"))
    assert "web" in repo.inv("status", "--check", expect=9).out
    repo.inv("promote", "production")
    repo.inv("status", "--check")


COMPOSE = """\
services:
  web: {image: "${BUILDONCE_IMAGE_WEB:?}", command: [sleep, infinity], init: true}
  jobs: {image: "${BUILDONCE_IMAGE_JOBS:?}", command: [sleep, infinity], init: true}
"""


@pytest.mark.nightly
def test_containers_run_the_copies(apart: Apart) -> None:
    """An engine pulls from the environment's registry alone, forward and on the way back."""
    repo = apart.repo
    name = f"{repo.namespace}-production"
    text = (repo.root / "pyproject.toml").read_text()
    table = "[tool.buildonce.environments.production]\n"
    engine = f'{table}engine = "compose"\nfile = "compose.yaml"\nproject = "{name}"\n'
    files = {"pyproject.toml": text.replace(table, engine), "compose.yaml": COMPOSE}
    try:
        for content in ("first", "second"):
            repo.commit("Deploy", {**files, "web/web.txt": content})
            repo.inv("build", "--sha")
            repo.inv("promote", "staging")
            repo.inv("promote", "production")
        assert images_of(repo, name) == {
            f"{apart.own.registry}/{repo.namespace}/{service}" for service in SERVICES
        }
        repo.inv("verify")
        repo.inv("rollback", "production")
        assert apart.digests("production") == repo.digests(repo.sha("HEAD~1"))
        repo.inv("verify", "--env", "production")
    finally:
        client(repo, "compose", "--project-name", name, "down", "--timeout", "1")


def images_of(repo: Monorepo, project: str) -> set[str]:
    """The repositories of a Compose project's containers' images."""
    label = f"label=com.docker.compose.project={project}"
    listed = client(repo, "ps", "--filter", label, "--format", "{{.Image}}")
    return {image.partition("@")[0] for image in listed.split()}


def client(repo: Monorepo, *arguments: str) -> str:
    return subprocess.run(
        ["docker", *arguments], env=repo.env, check=True, capture_output=True, text=True
    ).stdout
