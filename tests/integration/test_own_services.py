"""A commit is built with the services that it has itself, whatever the checkout has."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import pytest

from buildonce.commands.build import build_commit
from buildonce.commands.promote import promote
from buildonce.commands.rollback import rollback
from buildonce.commands.verify import verify
from buildonce.errors import RemovalError, UsageError
from buildonce.registry import Registry
from tests.kit.in_process import app, heard
from tests.kit.monorepo import Monorepo
from tests.kit.releases import release

JOBS = """\
[tool.buildonce.services.jobs]
inputs = ["jobs", "shared"]
"""
MAIL = JOBS.replace("jobs", "mail")


def configured(repo: Monorepo, before: str, after: str) -> str:
    """Commit another configuration, and return the commit's tag."""
    text = (repo.root / "pyproject.toml").read_text()
    assert before in text
    return repo.commit("Configure", {"pyproject.toml": text.replace(before, after)})


def dry_build(repo: Monorepo, name: str, *services: str) -> str:
    there = app(repo, bases={"python:3.13-slim": f"python@sha256:{'0' * 64}"}, dry_run=True)
    build_commit(there, name, services)
    return heard(there)


def test_a_service_that_was_dropped_is_built_in_an_old_commit(project: Monorepo) -> None:
    """The old commit's release is complete: it has what the checkout no longer knows."""
    old = project.sha()
    new = configured(project, JOBS, "")
    assert "jobs" in dry_build(project, old)
    assert "jobs" not in dry_build(project, new)


def test_a_service_that_is_new_does_not_stop_an_old_commit(project: Monorepo) -> None:
    """The old commit has no Dockerfile for it, and needs none."""
    old = project.sha()
    project.write({"mail/Dockerfile": "FROM python:3.13-slim\nCOPY mail /app/\n"})
    new = configured(project, JOBS, JOBS + MAIL)
    assert "mail" not in dry_build(project, old)
    assert "mail" in dry_build(project, new)
    with pytest.raises(UsageError, match="no service 'mail'"):
        dry_build(project, old, "mail")


def test_a_wrong_configuration_of_a_commit_is_told_as_the_commits(project: Monorepo) -> None:
    """The error names the commit, so that nobody looks for it in the folder."""
    old = configured(project, 'inputs = ["jobs", "shared"]', "inputs = 3")
    configured(project, "inputs = 3", 'inputs = ["jobs", "shared"]')
    with pytest.raises(UsageError, match=f"{old} cannot be built: ") as refused:
        dry_build(project, old)
    assert "services.jobs.inputs = 3: must be a list" in refused.value.message


def test_a_commit_without_a_configuration_is_built_as_the_folder_says(project: Monorepo) -> None:
    """What was committed before the project had services can be built, and that is said."""
    text = (project.root / "pyproject.toml").read_text()
    project.git("rm", "--quiet", "pyproject.toml")
    project.git("commit", "--quiet", "--message=Before")
    project.write({"pyproject.toml": text})
    said = dry_build(project, "HEAD")
    assert f"{project.sha()} has no services of its own" in said
    assert "jobs" in said


def test_the_way_back_to_a_dropped_service_needs_no_old_checkout(project: Monorepo) -> None:
    """A rollback from the newer checkout brings all of the older release, pointers and all."""
    old = release(project, web="one", jobs="one")
    promote(app(project), "staging", old)
    configured(project, JOBS, "")
    new = release(replace(project, services=("web",)), web="two")
    promote(app(project), "staging", new)
    assert project.digests("staging")["jobs"] is None
    rollback(app(project), "staging", None, "the jobs are missed")
    assert project.digests("staging") == project.digests(old)
    verify(app(project), ["staging"], each=True, as_json=False)


@pytest.mark.parametrize("said", [202, 405])
def test_a_pointer_that_the_registry_keeps_is_named_until_it_is_gone(
    project: Monorepo, said: int
) -> None:
    """A dropped service's pointer stays where it cannot be removed: told now, and by verify."""
    promote(app(project), "staging", release(project, web="one", jobs="one"))
    configured(project, JOBS, "")
    without = release(replace(project, services=("web",)), web="two")
    there, pointer = app(project), f"{project.images('jobs')}:staging"
    refusal = None if said == 202 else RemovalError(f"the registry answered {said}")
    with mock.patch.object(Registry, "remove_tag", side_effect=[refusal]):
        promote(there, "staging", without)
    named = (project.digests("staging")["jobs"] or "")[7:19]
    assert f"{pointer} was not removed; it still names {named}" in heard(there)
    assert f"{pointer} was not removed" not in heard(there).partition("service")[2]
    assert "unchanged: jobs" in heard(there)
    assert pointer in verified(project)
    project.images("jobs").untag("staging")
    assert pointer not in verified(project)


def verified(repo: Monorepo) -> str:
    there = app(repo)
    verify(there, ["staging"], each=True, as_json=False)
    return heard(there)
