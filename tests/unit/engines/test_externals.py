"""What a definition says is there already, and the engine has not."""

from __future__ import annotations

import os
from typing import Any

import pytest

from buildonce.engines import externals
from buildonce.engines.base import Target
from buildonce.engines.docker import Docker
from buildonce.errors import PreconditionError
from tests.kit.docker_script import DockerScript

pytestmark = [
    pytest.mark.stand_in,
    pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script"),
]

COMPOSE, SWARM = (Target("production", engine, "ssh://h") for engine in ("compose", "swarm"))


def model(service: dict[str, Any], **shared: dict[str, Any]) -> dict[str, Any]:
    return {"services": {"web": service}, **shared}


def lacks(definition: dict[str, Any], target: Target) -> tuple[str, str]:
    """What is said to be missing, and how it is made."""
    with pytest.raises(PreconditionError) as refused:
        externals.require(definition, Docker(target))
    return refused.value.message, refused.value.hint


def test_what_a_host_lacks_is_named_with_what_makes_it(docker_script: DockerScript) -> None:
    """Networks and volumes by the names that the engine knows; what is there is not named."""
    docker_script.answers("inspect --type network back front", [{"Name": "back"}])
    definition = model(
        {"networks": {"edge": {}, "back": {}}, "volumes": [{"source": "data"}]},
        networks={"edge": {"external": True, "name": "front"}, "back": {"external": True}},
        volumes={"data": {"external": True}},
    )
    assert lacks(definition, COMPOSE) == (
        "production (ssh://h) lacks the external network front, the external volume data",
        "docker --host ssh://h network create front; docker --host ssh://h volume create data",
    )


def test_only_what_is_external_and_used_has_to_be_there(docker_script: DockerScript) -> None:
    """The engine is not asked for what a deploy makes, what nobody uses, or a Swarm's own kinds."""
    definition = model(
        {"networks": {"own": {}, "plain": {}}, "configs": [{"source": "app"}]},
        networks={"own": {"name": "own"}, "plain": None, "unused": {"external": True}},
        configs={"app": {"external": True}},
    )
    externals.require(definition, Docker(COMPOSE))
    assert docker_script.calls() == []


def test_what_a_swarm_lacks_is_named_with_what_makes_it(docker_script: DockerScript) -> None:
    """A network has to span the nodes, configs and secrets are files, volumes are a node's own."""
    docker_script.answers(
        "inspect --type network *",
        [
            {"Name": "alone", "Scope": "local"},
            {"Name": "host", "Scope": "local"},
            {"Name": "wide", "Scope": "swarm"},
        ],
    )
    docker_script.answers("inspect --type config *", [{"Spec": {"Name": "app"}}])
    names = ("alone", "host", "wide")
    definition = model(
        {
            "networks": {name: {} for name in names},
            "configs": [{"source": "app"}],
            "secrets": [{"source": "key"}],
            "volumes": [{"source": "data"}],
        },
        networks={name: {"external": True} for name in names},
        configs={"app": {"external": True}},
        secrets={"key": {"external": True}},
        volumes={"data": {"external": True}},
    )
    message, hint = lacks(definition, SWARM)
    assert message.endswith(" lacks the external network alone, the external secret key")
    assert hint.split("; ") == [
        "docker --host ssh://h network create --driver overlay alone",
        "docker --host ssh://h secret create key FILE",
    ]


def test_a_networks_scope_does_not_matter_on_one_host(docker_script: DockerScript) -> None:
    """Compose takes a network of the host alone."""
    docker_script.answers("inspect --type network *", [{"Name": "edge", "Scope": "local"}])
    external = {"edge": {"external": True}}
    externals.require(model({"networks": {"edge": {}}}, networks=external), Docker(COMPOSE))
    assert len(docker_script.calls("inspect")) == 1
