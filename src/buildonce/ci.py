"""All that knows a CI system: who triggered a run, where it is, its outputs and its summary.

A new system is a new entry of ``SYSTEMS``. What identifies a run comes from the variables that
the systems document: GitHub's "default environment variables", GitLab's "predefined CI/CD
variables", Jenkins' ``/env-vars.html`` and its Build User Vars plugin.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

Variables = Mapping[str, str]


@dataclass(frozen=True)
class System:
    """A CI system.

    ``marker`` is a variable that every job of it has. ``actor`` gives ``name <email>`` of who
    triggered the run and ``run`` its address or number, each empty where that is not known.
    """

    name: str
    marker: str
    actor: Callable[[Variables], str]
    run: Callable[[Variables], str]


def _github_actor(variables: Variables) -> str:
    """Return who started this very attempt; GITHUB_ACTOR is who caused the first one."""
    login = variables.get("GITHUB_TRIGGERING_ACTOR") or variables.get("GITHUB_ACTOR", "")
    return _person(login, f"{login}@users.noreply.github.com")


def _github_run(variables: Variables) -> str:
    number = variables.get("GITHUB_RUN_ID", "")
    server, repository = variables.get("GITHUB_SERVER_URL"), variables.get("GITHUB_REPOSITORY")
    if number and server and repository:
        return f"{server}/{repository}/actions/runs/{number}"
    return number and f"run {number}"


def _gitlab_actor(variables: Variables) -> str:
    name = variables.get("GITLAB_USER_NAME") or variables.get("GITLAB_USER_LOGIN", "")
    return _person(name, variables.get("GITLAB_USER_EMAIL", ""))


def _gitlab_run(variables: Variables) -> str:
    return variables.get("CI_JOB_URL") or variables.get("CI_PIPELINE_URL", "")


def _jenkins_actor(variables: Variables) -> str:
    name = variables.get("BUILD_USER") or variables.get("BUILD_USER_ID", "")
    return _person(name, variables.get("BUILD_USER_EMAIL", ""))


def _jenkins_run(variables: Variables) -> str:
    return variables.get("BUILD_URL") or variables.get("BUILD_TAG", "")


def _unknown(_variables: Variables) -> str:
    return ""


def _person(name: str, email: str) -> str:
    return name and f"{name} <{email or 'unknown'}>"


SYSTEMS = (
    System("GitHub Actions", "GITHUB_ACTIONS", _github_actor, _github_run),
    System("GitLab CI", "GITLAB_CI", _gitlab_actor, _gitlab_run),
    System("Jenkins", "JENKINS_URL", _jenkins_actor, _jenkins_run),
    System("CI", "CI", _unknown, _unknown),
)
"""The first whose marker is set is the present one; ``CI`` is what the others set as well."""


def system(variables: Variables) -> System | None:
    """Return the CI system that runs this process; None outside of any."""
    return next((known for known in SYSTEMS if _is_set(variables, known.marker)), None)


def actor(variables: Variables) -> str:
    """Return who triggered the run, as ``name <email>``; empty where no CI system tells it."""
    present = system(variables)
    return present.actor(variables) if present else ""


def place(variables: Variables, machine: str) -> str:
    """Return where this process runs, for people: the run's address, or the machine's name."""
    present = system(variables)
    if present is None:
        return machine
    return present.run(variables) or f"{present.name} on {machine}"


@dataclass(frozen=True)
class GitHub:
    """A repository on GitHub as its job knows it; ``run`` is the address of the job's run."""

    api: str
    repository: str
    token: str
    run: str


def github(variables: Variables) -> GitHub | None:
    """Return the repository whose job this is; None outside of one, or without its token."""
    repository = variables.get("GITHUB_REPOSITORY", "")
    token = variables.get("GITHUB_TOKEN") or variables.get("GH_TOKEN", "")
    if not (_is_set(variables, "GITHUB_ACTIONS") and repository and token):
        return None
    api = variables.get("GITHUB_API_URL", "https://api.github.com")
    return GitHub(api, repository, token, _github_run(variables))


def here() -> str:
    """Return where this process runs, for people."""
    return place(os.environ, socket.gethostname())


def set_outputs(values: Mapping[str, str], variables: Variables) -> None:
    """Give outputs to the jobs after this one, where the CI system has a file for them.

    GitHub Actions has, and what runs its workflows elsewhere (Gitea, Forgejo, act).
    """
    lines = "".join(f"{key}={value}\n" for key, value in values.items())
    _append(variables.get("GITHUB_OUTPUT", ""), lines)


def summarise(markdown: str, variables: Variables) -> None:
    """Add Markdown to the summary of the run, where the CI system has a file for it."""
    _append(variables.get("GITHUB_STEP_SUMMARY", ""), markdown)


def _is_set(variables: Variables, name: str) -> bool:
    return variables.get(name, "").lower() not in ("", "0", "false")


def _append(path: str, text: str) -> None:
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
