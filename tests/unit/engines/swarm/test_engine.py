"""What a Swarm is asked for a release, and what it must say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from buildonce.engines.base import Target
from buildonce.engines.swarm.engine import Swarm
from buildonce.errors import BuildonceError, PreconditionError, UsageError
from tests.kit.samples import digest
from tests.kit.swarm_manager import DEPLOYING, WEB, Manager, definition, manager, service, task

TARGET = Target("production", "swarm", "ssh://far", "shop")
PUBLISHING = """\
services:
  web:
    image: "${BUILDONCE_IMAGE_WEB}"
    ports: [{target: 80, published: "8080"}]
networks: {default: {external: true, name: nobody-made-it}}
"""


def swarm(there: Manager, bundle: str | None = None) -> Swarm:
    made = definition(there, bundle) if bundle else definition(there)
    return Swarm(made.deployment, there)


@pytest.mark.parametrize(
    ("folder", "logins"), [("", ""), ("/pull", "   (with the logins of /pull)")]
)
def test_the_commands_of_a_deploy(folder: str, logins: str) -> None:
    """Images are pulled first, and the stack gets the logins that the settings name."""
    engine = swarm(manager(replace(TARGET, pull_config=folder)))
    assert engine.pulls
    assert engine.commands() == [
        f"docker pull --quiet {WEB}",
        f"docker {DEPLOYING} --prune shop{logins} < FILE",
    ]


def test_a_manager_that_takes_the_stack_will_do() -> None:
    """Nothing is changed by a look."""
    there = manager(TARGET)
    swarm(there).check()
    assert "stack config --compose-file -" in there.calls
    assert there.changes() == []


class Worker(Manager):
    """An engine that is no manager."""

    def run(self, *arguments: str, **more: Any) -> str:
        return "false\n" if arguments[0] == "info" else super().run(*arguments, **more)


def test_an_engine_that_is_no_manager_is_refused() -> None:
    """Neither a look before a deploy nor one at what runs goes on; the remedy is named."""
    engine = swarm(Worker(TARGET))
    for look in (engine.check, engine.running):
        with pytest.raises(PreconditionError, match="is not a Swarm manager") as failure:
            look()
        assert failure.value.hint.endswith("docker swarm init")


PORT = {"PublishedPort": 8080, "Protocol": "tcp", "PublishMode": "ingress"}
HOLDER = {**service("web", "nginx:1", stack="theirs"), "Endpoint": {"Ports": [PORT]}}
NETWORK = {"Name": "nobody-made-it", "Scope": "swarm"}


@pytest.mark.parametrize(
    ("objects", "refusals", "error", "said"),
    [
        ({}, {"stack config": "unsupported option"}, UsageError, "cannot be used: unsupported"),
        ({"service": [HOLDER]}, {}, PreconditionError, "taken by the service theirs_web"),
        ({}, {}, PreconditionError, "lacks the external network nobody-made-it"),
    ],
    ids=["not taken", "port", "network"],
)
def test_what_is_in_the_way_is_found_first(
    objects: dict[str, Any], refusals: dict[str, str], error: type[BuildonceError], said: str
) -> None:
    """What the manager would refuse, or break over, is an error of the look."""
    there = manager(TARGET, objects=dict(objects), refusals=refusals)
    with pytest.raises(error, match=said):
        swarm(there, PUBLISHING).check()


def test_logins_that_are_none_are_found_first(tmp_path: Path) -> None:
    """A folder for the nodes' logins has to have one."""
    (tmp_path / "config.json").write_text(json.dumps({"auths": {}}))
    with pytest.raises(PreconditionError, match="has no login"):
        swarm(manager(replace(TARGET, pull_config=str(tmp_path)))).check()


def test_what_runs_is_measured_against_the_release() -> None:
    """Each task is a row with the digest that its node was told."""
    other = WEB.repository.at(digest("other"))
    there = manager(TARGET)
    web = service("web", str(other), replicas="1/1")
    there.add(web, task(web))
    (row,) = swarm(there).running()
    assert (row.host, row.service, row.digest, row.expected) == (
        "host1", "web", digest("other"), digest("web"),
    )  # fmt: skip


def test_a_deploy_tells_what_it_waits_for_and_gives_way() -> None:
    """The stack is pruned as well, and who lost the environment stops at the next look."""
    told: list[str] = []

    def lost() -> None:
        raise PreconditionError("somebody else's")

    there = manager(TARGET)
    with pytest.raises(PreconditionError, match="somebody else's"):
        swarm(there).deploy(told.append, lost)
    assert there.changes()[-1].endswith("--prune shop")
    assert told == ["web: 1 of 1 up"]
