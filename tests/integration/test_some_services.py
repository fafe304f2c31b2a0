"""An environment that runs some of the services: what is promoted there, compared and named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from buildonce.app import App
from buildonce.commands.changes import changes
from buildonce.commands.images import images
from buildonce.commands.promote import promote
from buildonce.commands.recover import abort, resume
from buildonce.commands.rollback import rollback
from buildonce.commands.verify import verify
from buildonce.errors import DifferenceError
from tests.kit.in_process import app, heard, leave_open
from tests.kit.monorepo import Monorepo
from tests.kit.releases import release


@pytest.fixture
def staged(project: Monorepo) -> Monorepo:
    """A monorepo whose first release runs in staging, both services of it."""
    release(project, web="one", jobs="one")
    promote(app(project), "staging")
    return project


def with_services(repo: Monorepo, *services: str) -> App:
    """The app of a configuration by which production runs these services, or all."""
    production: dict[str, Any] = {"after": "staging", "services": list(services)}
    return app(repo, environments={"staging": {}, "production": production})


def pointers(repo: Monorepo) -> dict[str, str]:
    """What production's pointers name, by service."""
    found = repo.digests("production")
    return {service: digest for service, digest in found.items() if digest}


def released(repo: Monorepo, *services: str) -> dict[str, str | None]:
    """The digests of HEAD's images."""
    return {service: repo.digests(repo.sha())[service] for service in services}


def test_only_these_services_are_promoted(staged: Monorepo) -> None:
    """The others get no pointer, and are in no list of images for the environment."""
    there = with_services(staged, "web")
    promote(there, "production")
    assert pointers(staged) == released(staged, "web")


def test_images_are_those_that_the_environment_runs(
    staged: Monorepo, capsys: pytest.CaptureFixture[str]
) -> None:
    """`inv images production` has its services, the release all of them."""
    promote(with_services(staged, "web"), "production")
    for name, services in (("production", ["web"]), (staged.sha(), ["jobs", "web"])):
        images(app(staged), name, "json")
        assert list(json.loads(capsys.readouterr().out)) == services


def test_environments_are_compared_in_what_both_run(staged: Monorepo) -> None:
    """A service that one of them is not to run is said to be not compared; the rest decides."""
    there = with_services(staged, "web")
    promote(there, "production")
    verify(there, [], each=False, as_json=False)
    assert "not in production" in heard(there)
    assert "staging and production are identical in what all of them run" in heard(there)
    release(staged, web="two")
    promote(app(staged), "staging")
    with pytest.raises(DifferenceError) as differing:
        verify(with_services(staged, "web"), [], each=False, as_json=False)
    assert "production web same as staging" in differing.value.message
    assert "jobs" not in differing.value.message


def test_what_no_environment_runs_there_ships_nothing(staged: Monorepo) -> None:
    """`inv changes` speaks of the environment's services alone."""
    promote(with_services(staged, "web"), "production")
    release(staged, jobs="two")
    there = with_services(staged, "web")
    changes(there, "production", "HEAD")
    assert "jobs" not in heard(there)


def test_a_service_that_joins_or_leaves_is_a_promotion(staged: Monorepo) -> None:
    """The same release again brings what joined, and takes the pointer of what left."""
    for services in (("web",), ("web", "jobs"), ("jobs",)):
        promote(with_services(staged, *services), "production")
        assert pointers(staged) == released(staged, *services)
        there = with_services(staged, *services)
        promote(there, "production")
        assert "nothing to do" in heard(there)


@pytest.mark.parametrize("finish", [resume, abort])
def test_an_open_promotion_is_finished_as_it_began(staged: Monorepo, finish: Any) -> None:
    """Another list in the meantime changes neither what is finished nor what is put back."""
    promote(with_services(staged, "web"), "production")
    before = pointers(staged)
    release(staged, web="two", jobs="two")
    promote(app(staged), "staging")
    leave_open(lambda: promote(with_services(staged, "jobs"), "production"))
    finish(app(staged), "production")
    assert pointers(staged) == (released(staged, "jobs") if finish is resume else before)


def test_the_way_back_has_the_services_of_today(staged: Monorepo) -> None:
    """A rollback brings of the earlier release what the environment is to run now."""
    promote(with_services(staged, "web"), "production")
    first = released(staged, "web", "jobs")
    release(staged, web="two", jobs="two")
    promote(app(staged), "staging")
    promote(app(staged), "production")
    rollback(app(staged), "production", None, "")
    assert pointers(staged) == first
