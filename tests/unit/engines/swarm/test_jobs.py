"""Pre-deploy commands as jobs of a stack."""

from __future__ import annotations

import pytest

from buildonce.engines.base import UNTOUCHED, Target
from buildonce.engines.swarm import jobs
from buildonce.errors import DeployError, UsageError
from tests.kit.samples import digest
from tests.kit.swarm_manager import WEB, Manager, definition, manager, service, task

BUNDLE = """\
services:
  web: {image: "${BUILDONCE_IMAGE_WEB}", depends_on: {seed: {condition: service_started}}}
  seed: {image: "valkey:8", deploy: {restart_policy: {condition: none}}}
"""
JOB = "web-pre-deploy"
REMOVED = f"service rm shop_{JOB}"
OTHER = str(WEB.repository.at(digest("other")))


def run(there: Manager, service: str = "web") -> None:
    jobs.run(definition(there, BUNDLE), service, ["migrate"], lambda _: None)


def deployed(there: Manager) -> list[list[str]]:
    """The services of each stack file, in the order of their deploys."""
    return [list(model["services"]) for model in there.deployed]


def test_what_it_needs_of_others_starts_first() -> None:
    """A service of another's image is deployed ahead of the job, which is removed at its end."""
    there = manager()
    run(there)
    assert deployed(there) == [["seed"], [JOB]]
    assert there.deployed[-1]["services"][JOB]["command"] == ["migrate"]
    assert there.changes()[-1] == REMOVED


def test_what_is_there_already_is_left_alone() -> None:
    """A service that the stack has is not deployed again ahead of the job."""
    seed = service("seed", "valkey:7")
    there = manager()
    there.add(seed, task(seed))
    run(there)
    assert deployed(there) == [[JOB]]


def test_a_command_that_fails_leaves_what_ran() -> None:
    """The error says that nothing was switched, and the job is removed all the same."""
    there = manager(outcomes={JOB: "failed"})
    with pytest.raises(DeployError, match=f"{JOB} on host1 failed") as failure:
        run(there)
    assert failure.value.hint == UNTOUCHED
    assert there.changes()[-1] == REMOVED


def test_a_command_may_be_given_a_time() -> None:
    """The setting is named where the time is up."""
    target = Target("production", "swarm", project="shop", pre_deploy_timeout=0)
    there = manager(target, outcomes={JOB: "running"})
    with pytest.raises(DeployError, match=r"after 0 s, as pre_deploy\.timeout says"):
        run(there)
    assert there.changes()[-1] == REMOVED


def test_a_service_that_is_not_there_is_named() -> None:
    """Before anything is deployed."""
    there = manager()
    with pytest.raises(UsageError, match="has no service api"):
        run(there, "api")
    assert there.changes() == []


@pytest.mark.parametrize(
    ("image", "state", "waited"),
    [
        (str(WEB), "running", True),
        (str(WEB), "failed", False),
        (OTHER, "running", False),
    ],
    ids=["still running", "failed", "another release's"],
)
def test_a_job_that_was_left_running_is_waited_for(image: str, state: str, waited: bool) -> None:
    """Who takes a promotion over starts no second one; any other job of the name is replaced."""
    there, left = manager(), service(JOB, image, mode="ReplicatedJob")
    there.add(service("seed", "valkey:8"), left, task(left, state))

    def end() -> None:
        there.objects["task"] = [task(left, "complete")]

    there.looking.extend([lambda: None, lambda: None, *([end] if waited else [])])
    run(there)
    assert deployed(there) == ([] if waited else [[JOB]])
    assert there.changes()[0] == REMOVED
