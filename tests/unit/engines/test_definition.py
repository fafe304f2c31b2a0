"""The definition as Compose reads it."""

from __future__ import annotations

import os

import pytest

from buildonce.engines.base import Deployment, Target
from buildonce.engines.definition import Definition
from buildonce.engines.docker import Docker
from buildonce.engines.parts import Part
from buildonce.errors import UsageError
from buildonce.refs import Digest, Repository
from tests.kit.docker_script import DockerScript
from tests.kit.samples import files

WEB = Repository("r.example", "shop/web").at(Digest("sha256:" + "a" * 64))
JOBS = Repository("r.example", "shop/jobs").at(Digest("sha256:" + "b" * 64))


def part(name: str, image: str, *needs: str) -> Part:
    return Part(name, image, 1, dict.fromkeys(needs, ""), optional=False)


def test_foreign_needs_leave_out_what_is_ours() -> None:
    """What a step needs is started ahead only as far as no service of the release is in it."""
    parts = {
        "jobs": part("jobs", str(JOBS), "web", "queue"),
        "web": part("web", str(WEB), "cache"),
        "queue": part("queue", "valkey:8", "disk"),
        "disk": part("disk", "disk:1"),
        "cache": part("cache", "valkey:8"),
    }
    target = Target("production", "compose", project="shop")
    deployment = Deployment(target, "0123456789ab", files(), {"web": WEB, "jobs": JOBS})
    shop = Definition(deployment, Docker(target))
    vars(shop)["parts"] = parts
    assert sorted(shop.foreign_needs("jobs")) == ["disk", "queue"]


def scripted(script: DockerScript, *answers: object) -> Definition:
    """A definition of which Compose says this."""
    script.answers("config --format json*", *answers)
    target = Target("production", "compose", project="shop")
    return Definition(Deployment(target, "0" * 12, files(), {}, bundle="x: $TOKEN"), Docker(target))


needs_a_shell = pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")


@needs_a_shell
@pytest.mark.stand_in
def test_what_decides_a_service_does_not_depend_on_the_order(docker_script: DockerScript) -> None:
    """The same settings in another order are the same service."""
    one, other = {"image": "x", "command": "y"}, {"command": "y", "image": "x"}
    decided = [
        scripted(docker_script, {"services": {"web": service}}).decided().services
        for service in (one, other)
    ]
    assert decided[0] == decided[1]


@needs_a_shell
@pytest.mark.stand_in
def test_a_variable_without_a_known_place_is_told_with_the_file(
    docker_script: DockerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier bundle needs may be in no file of the commit."""
    monkeypatch.delenv("TOKEN", raising=False)
    with pytest.raises(UsageError) as refused:
        scripted(docker_script, {"services": {}}).require_variables()
    assert refused.value.message == ("production needs a value for:\n  deploy/compose.yaml: TOKEN")
