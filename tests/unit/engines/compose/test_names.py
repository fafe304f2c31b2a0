"""Names that services choose for their containers, and who has them."""

from __future__ import annotations

import os

import pytest

from buildonce.engines.base import Deployment, Target
from buildonce.engines.compose import names
from buildonce.engines.definition import Definition
from buildonce.engines.docker import Docker
from buildonce.errors import PreconditionError
from tests.kit.docker_script import DockerScript
from tests.kit.samples import files

pytestmark = [
    pytest.mark.stand_in,
    pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script"),
]


def require_free(script: DockerScript, **chosen: str) -> None:
    """Ask for services with these names, and one without, of a project called shop."""
    services = {
        "plain": {"image": "x"},
        **{service: {"image": "x", "container_name": name} for service, name in chosen.items()},
    }
    script.answers("config --format json", {"services": services})
    target = Target("production", "compose", "ssh://h", "shop")
    deployment = Deployment(target, "0" * 12, files(), {}, bundle="services: {}")
    docker = Docker(target)
    names.require_free(Definition(deployment, docker), docker)


def test_who_has_a_name_is_told(docker_script: DockerScript) -> None:
    """Another project, somebody without one, or another service of the file; all at once."""
    docker_script.answers("ps --all *", "mine\tshop\nbeacon\tblog\nby-hand\t\n")
    chosen = {"web": "beacon", "api": "mine", "db": "by-hand", "a": "same", "b": "same"}
    with pytest.raises(PreconditionError) as refused:
        require_free(docker_script, **chosen)
    taken = [
        ("beacon", "web", "a container of the project blog"),
        ("by-hand", "db", "a container of no project of Compose"),
        ("same", "a", "another service"),
        ("same", "b", "another service"),
    ]
    listed = [
        f"the container name {name}, which {service} has, is taken by {holder}"
        for name, service, holder in taken
    ]
    assert refused.value.message == f"production (ssh://h): {'; '.join(listed)}"
    assert "remove container_name" in refused.value.hint


def test_a_name_of_the_projects_own_container_is_free(docker_script: DockerScript) -> None:
    """What runs already has its name from the release before."""
    docker_script.answers("ps --all *", "mine\tshop\nother\tblog\n")
    require_free(docker_script, web="mine")


def test_the_engine_is_not_asked_where_no_name_is_chosen(docker_script: DockerScript) -> None:
    """Names that Compose makes carry the project's, and clash with nobody's."""
    require_free(docker_script)
    assert docker_script.calls("ps") == []
