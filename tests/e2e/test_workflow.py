"""The release workflow itself, run by act: from a pushed commit to a verified production."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import lab
from tests.kit.act import TOOLS, artifacts, command
from tests.kit.repository import ROOT

SERVICES = ["api", "worker"]
A_FRESH_RUNNER = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
SOMEBODY = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")


@dataclass(frozen=True)
class Run:
    """One run of release.yml, and what the engine says was built meanwhile."""

    sha: str
    registry: str
    output: str
    built: list[str]
    report: str

    def digest(self, service: str, tag: str) -> str:
        """The digest of a tag, as skopeo hashes it."""
        image = f"docker://{self.registry}/beacon/{service}:{tag}"
        return said("skopeo", "inspect", "--tls-verify=false", "--format={{.Digest}}", image)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    here = tmp_path_factory.mktemp("workflow")
    running = lab.up()
    env = {**os.environ, **running.environ(), **A_FRESH_RUNNER, "NO_COLOR": "1"}
    clone, sha = push_a_commit(here)
    before = build_records(env)
    output = act(clone, here, env)
    return Run(
        sha=sha,
        registry=running.registry,
        output=output,
        built=[built_digest(record, env) for record in build_records(env) - before],
        report=(artifacts(here) / "report/index.html").read_text(),
    )


@pytest.mark.parametrize("service", SERVICES)
def test_production_runs_the_bytes_that_staging_ran(run: Run, service: str) -> None:
    """The commit's tag and both environments' pointers name one and the same manifest."""
    tags = [run.sha, "staging", "production"]
    assert len({run.digest(service, tag) for tag in tags}) == 1


def test_each_service_was_built_exactly_once(run: Run) -> None:
    """The engine's own history has one build a service, and those are the bytes released."""
    assert sorted(run.built) == sorted(run.digest(service, run.sha) for service in SERVICES)


def test_the_summary_shows_the_evidence(run: Run) -> None:
    """The run's page has a table of what was verified, with the digests in it."""
    summary = run.output.partition("Summary - ")[2]
    for service in SERVICES:
        assert run.digest(service, run.sha) in summary


def test_the_report_is_kept_with_the_run(run: Run) -> None:
    """The artifact is the page of what runs where, with the release in it."""
    assert run.sha in run.report
    assert "production" in run.report


def push_a_commit(here: Path) -> tuple[Path, str]:
    """Push a new commit to a new remote; return a clone that has it, and its tag."""
    origin, clone = here / "origin.git", here / "clone"
    said("git", "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    said("git", "push", "--quiet", str(origin), "HEAD:refs/heads/main", cwd=ROOT)
    said("git", "clone", "--quiet", str(origin), str(clone))
    message = "--message=Release me"
    said("git", *SOMEBODY, "commit", "--quiet", "--allow-empty", message, cwd=clone)
    said("git", "push", "--quiet", "origin", "main", cwd=clone)
    return clone, said("git", "rev-parse", "HEAD", cwd=clone)[:12]


def act(clone: Path, here: Path, env: Mapping[str, str]) -> str:
    """Run release.yml as a push would, its jobs straight on this machine; return the log."""
    done = subprocess.run(
        command("push", clone / ".github/workflows/release.yml", here),
        cwd=clone,
        env={**env, "PATH": f"{TOOLS}:{env['PATH']}", "PIPX_HOME": str(here / "pipx")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def build_records(env: Mapping[str, str]) -> set[str]:
    """The names of the builds that the engine remembers."""
    listed = said("docker", "buildx", "history", "ls", "--format={{.Ref}}", env=env)
    return {ref.rpartition("/")[2] for ref in listed.split()}


def built_digest(record: str, env: Mapping[str, str]) -> str:
    """The manifest that a build made, as the engine remembers it."""
    shown = said("docker", "buildx", "history", "inspect", "--format=json", record, env=env)
    (manifest,) = [
        attached["Digest"]
        for attached in json.loads(shown)["Attachments"]
        if "manifest" in attached["Type"]
    ]
    return str(manifest)


def said(*argv: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a program that is expected to succeed; return what it said."""
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()
