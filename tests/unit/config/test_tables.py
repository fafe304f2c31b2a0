"""The project's own files: workflows, CI and locks keep their promises."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kit.repository import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
RELEASE = ROOT / ".github/workflows/release.yml"
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def jobs(workflow: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(workflow.read_text())["jobs"]
    assert found
    return found


def scripts(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("job", jobs(RELEASE).values(), ids=jobs(RELEASE))
def test_each_release_jobs_work_is_one_line(job: dict[str, Any]) -> None:
    """A release job does its work in its last step, with one line that calls Nox."""
    *before, work = scripts(job)
    assert work.startswith('pipx run "$NOX" -s ')
    assert not any("nox" in script.lower() for script in before)


RELEASES = [RELEASE, ROOT / "docs/ci/github-release.yml"]
WRITERS = {"build", "staging", "production", "rollback"}


@pytest.mark.parametrize("workflow", RELEASES, ids=lambda path: path.name)
def test_each_environment_waits_for_itself_alone(workflow: Path) -> None:
    """A group for each environment, none for the workflow, and no run is cancelled for another."""
    found = {name: job for name, job in jobs(workflow).items() if "environment" in job}
    assert set(found) == {"staging", "production", "rollback"}
    for job in found.values():
        assert job["concurrency"] == {"group": job["environment"], "cancel-in-progress": False}
    whole = yaml.safe_load(workflow.read_text())["concurrency"]
    assert "github.run_id" in whole["group"]


@pytest.mark.parametrize("workflow", RELEASES, ids=lambda path: path.name)
def test_only_who_writes_may(workflow: Path) -> None:
    """The workflow has no right of its own; naming, proving and reporting only read."""
    assert yaml.safe_load(workflow.read_text())["permissions"] == {}
    for name, job in jobs(workflow).items():
        assert ("write" in job["permissions"].values()) == (name in WRITERS)
        assert ("deployments" in job["permissions"]) == ("environment" in job)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_script_is_one_line_without_expressions(workflow: Path) -> None:
    """No workflow script has a second line, or an expression that could inject one."""
    for job in jobs(workflow).values():
        for script in scripts(job):
            assert len(script.splitlines()) == 1
            assert "${{" not in script


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit(workflow: Path) -> None:
    """Every action is named by a full commit, with its version beside it for people."""
    used = re.findall(r"uses: (.*)", workflow.read_text())
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


def test_ci_runs_the_readmes_test_command() -> None:
    """What CI runs is, letter by letter, what the README tells a newcomer to run."""
    ci = (ROOT / ".ci/run").read_text().splitlines()
    (command,) = [line for line in ci if line.endswith(".venv/bin/nox")]
    assert command in (ROOT / "README.md").read_text().splitlines()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_pins_every_package_by_hash(lock: Path) -> None:
    """A lock holds exact versions with hashes, and names no place to fetch them from."""
    text = lock.read_text()
    packages = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).strip())
    for package in packages:
        assert re.match(r"[\w.-]+==\S+", package)
        assert "--hash=sha256:" in package
    assert "://" not in text


def test_every_requirement_is_locked() -> None:
    """Each list of requirements has the lock that sessions install from."""
    wanted = {path.stem for path in (ROOT / "requirements").glob("*.in")}
    assert wanted == {lock.stem for lock in LOCKS}


@pytest.mark.parametrize("service", ["api", "worker"])
def test_beacon_is_tested_with_the_versions_that_it_ships(service: str) -> None:
    """Each version that a service's image holds is one that the e2e session installs."""
    pinned = re.compile(r"^[\w.-]+==[\w.]+", re.MULTILINE)
    shipped = pinned.findall((ROOT / service / "requirements.txt").read_text())
    tested = pinned.findall((ROOT / "requirements/e2e.txt").read_text())
    assert shipped
    assert set(shipped) <= set(tested)
