"""The CI files that adopters copy, run as they stand in a monorepo that is not this one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.kit.act import TOOLS, artifacts, command
from tests.kit.monorepo import NOTHING, Monorepo
from tests.kit.repository import ROOT

CI = ROOT / "docs/ci"
ALREADY_INSTALLED = {"requirements/release.txt": "# the library is the one under test\n"}


def copied(repo: Monorepo, name: str, path: str) -> None:
    """Commit one of the files where the CI system looks for it."""
    repo.commit(f"Release with {name}", {**ALREADY_INSTALLED, path: (CI / name).read_text()})


def run(repo: Monorepo, *argv: str, env: Mapping[str, str] = NOTHING) -> str:
    """Run a program of the CI system in the clone, as on a machine of its own."""
    done = subprocess.run(
        argv, cwd=repo.root, env={**repo.env, "PATH": f"{TOOLS}:{os.environ['PATH']}", **env},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def act(repo: Monorepo, event: str, name: str, folder: Path, **inputs: str) -> str:
    """Run one of the clone's workflows, its jobs straight on this machine."""
    words = command(event, repo.root / ".github/workflows" / name, folder)
    return run(repo, *words, *(f"--input={key}={value}" for key, value in inputs.items()))


def released(repo: Monorepo) -> bool:
    """Whether both environments run the bytes that were built from HEAD."""
    built = repo.digests(repo.sha())
    return None not in built.values() and all(
        repo.digests(name) == built for name in ("staging", "production")
    )


@pytest.mark.nightly
def test_the_github_workflow_releases(repo: Monorepo, tmp_path: Path) -> None:
    """A push builds, promotes twice, verifies and keeps a report, by the workflow as copied."""
    copied(repo, "github-release.yml", ".github/workflows/release.yml")
    output = act(repo, "push", "release.yml", tmp_path)
    assert "staging and production are identical" in output
    assert released(repo)
    assert repo.sha() in (artifacts(tmp_path) / "report/index.html").read_text()


@pytest.mark.nightly
def test_the_pull_request_workflow_says_what_merging_ships(
    updated: Monorepo, tmp_path: Path
) -> None:
    """Its summary has the commits of the branch, and the builds; nothing is written."""
    copied(updated, "github-pull-request.yml", ".github/workflows/pull-request.yml")
    before = updated.state()
    output = act(updated, "pull_request", "pull-request.yml", tmp_path)
    assert "Release with github-pull-request.yml" in output.partition("Summary - ")[2]
    assert "dry run: build" in output
    assert updated.state() == before


def test_the_gitlab_jobs_release(repo: Monorepo) -> None:
    """The commands of the jobs, stage by stage in one clone, end with a verified production.

    GitLab's runner is not to be had here: a shell runs what it would, without the logins.
    """
    copied(repo, "gitlab-ci.yml", ".gitlab-ci.yml")
    jobs = yaml.safe_load((CI / "gitlab-ci.yml").read_text())
    variables = {"CI_COMMIT_SHA": repo.git("rev-parse", "HEAD"), "GITLAB_CI": "true"}
    for stage in jobs["stages"]:
        (job,) = [
            job
            for name, job in jobs.items()
            if isinstance(job, dict) and job.get("stage") == stage and name != "roll back"
        ]
        lines = [line for line in job["script"] if "buildx create" not in line]
        run(repo, "sh", "-euc", "\n".join(lines), env=variables)
    assert released(repo)
    assert repo.sha() in (repo.root / "report/index.html").read_text()


@pytest.fixture
def twice(updated: Monorepo) -> Monorepo:
    """A monorepo whose production ran HEAD~1, and now runs HEAD."""
    for environment in ("staging", "production"):
        updated.inv("promote", environment)
    return updated


@pytest.mark.nightly
def test_the_github_workflow_goes_back(twice: Monorepo, tmp_path: Path) -> None:
    """By hand, with an environment and a reason: that environment alone, and nothing is built."""
    now, before = twice.digests(twice.sha()), twice.digests(twice.sha("HEAD~1"))
    copied(twice, "github-release.yml", ".github/workflows/release.yml")
    hostile = {"reason": 'wrong"; echo $(id)', "rollback": "production", "to": ""}
    output = act(twice, "workflow_dispatch", "release.yml", tmp_path, **hostile)
    assert "inv build" not in output
    assert twice.digests("production") == before
    assert twice.digests("staging") == now
    assert 'wrong"; echo $(id)' in twice.inv("history", "production").out


@pytest.mark.nightly
def test_the_gitlab_job_goes_back(twice: Monorepo) -> None:
    """A pipeline with ROLLBACK, to the release that TO names."""
    jobs = yaml.safe_load((CI / "gitlab-ci.yml").read_text())
    job = jobs["roll back"]
    assert [rule["if"] for rule in job["rules"]] == ["$ROLLBACK"]
    variables = {"ROLLBACK": "production", "TO": twice.sha("HEAD~1"), "GITLAB_CI": "true"}
    run(twice, "sh", "-euc", "\n".join(job["script"]), env=variables)
    assert twice.digests("production") == twice.digests(twice.sha("HEAD~1"))


@pytest.mark.nightly
def test_the_script_releases_and_goes_back(repo: Monorepo) -> None:
    """The plain script brings a commit all the way, a second one, and the first one back."""
    shutil.copy(CI / "release.sh", repo.root)
    for content in ("one", "two"):
        repo.commit(f"Release {content}", {"web/web.txt": content})
        run(repo, "./release.sh")
        assert released(repo)
    run(repo, "./release.sh", "--rollback", "production", "prices are wrong")
    assert repo.digests("production") == repo.digests(repo.sha("HEAD~1"))
