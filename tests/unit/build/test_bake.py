"""The bake definition: what Buildx is told, and with which labels, bases and caches."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

import pytest

from buildonce.build.bake import definition, local_definition
from buildonce.build.pins import Pins
from buildonce.config import Project, parse
from buildonce.refs import ImageRef
from tests.kit.samples import commit, digest

COMMIT = commit()
SHA = COMMIT.sha(12)
TREE = PurePosixPath("/tree")
CONTEXTS = {"api": PurePosixPath("/contexts/api"), "web": TREE / "apps/web"}
BASE = "python:3.13-slim"
PINS = {
    "api": Pins(BASE, {BASE: ImageRef.parse(f"python@{digest('base')}")}),
    "web": Pins(None, {}),
}


def project(**changed: Any) -> Project:
    services = {"api": {}, "web": {"context": "apps/web", "target": "final", "args": {"A": "b"}}}
    return parse({"registry": "registry.example.org", "services": services, **changed})


def target(name: str, **changed: Any) -> dict[str, Any]:
    made = project(**changed)
    tags = {one: made.repository(one).tag(SHA) for one in made.services}
    baked = definition(
        made, COMMIT, TREE, CONTEXTS, tags, PINS, "https://example.org/shop", ["api"]
    )
    assert baked["group"]["default"]["targets"] == ["api", "web"]
    found: dict[str, Any] = baked["target"][name]
    return found


def test_a_service_is_built_from_the_exported_tree() -> None:
    """Contexts are the prepared folders, Dockerfiles lie in the commit's tree."""
    assert (target("api")["context"], target("api")["dockerfile"]) == (
        "/contexts/api",
        "/tree/api/Dockerfile",
    )
    assert target("web")["context"] == "/tree/apps/web"
    assert target("web")["dockerfile"] == "/tree/apps/web/Dockerfile"
    assert target("web")["target"] == "final"
    assert "target" not in target("api")


def test_an_image_is_pushed_plain_for_one_platform() -> None:
    """One tag, one platform, no attestation to wrap it in an index, no copy in the engine."""
    api = target("api")
    assert api["tags"] == [f"registry.example.org/api:{SHA}"]
    assert api["platforms"] == ["linux/amd64"]
    (output,) = api["output"]
    assert {"type=image", "push=true", "store=false"} <= set(output.split(","))
    assert api["attest"] == ["type=provenance,disabled=true", "type=sbom,disabled=true"]


def test_the_commit_comes_as_an_argument_and_the_time_is_constant() -> None:
    """REVISION is the commit's; SOURCE_DATE_EPOCH never changes, so that caches hold."""
    args = target("web")["args"]
    assert args == {"A": "b", "REVISION": COMMIT.revision, "SOURCE_DATE_EPOCH": "315532800"}


@pytest.mark.parametrize("name", ["REVISION", "SOURCE_DATE_EPOCH"])
def test_an_argument_of_the_project_is_not_overwritten(name: str) -> None:
    """What the table sets reaches the build, also under the library's own arguments' names."""
    args = target("web", services={"api": {}, "web": {"args": {name: "mine"}}})["args"]
    assert args[name] == "mine"


def test_the_labels_are_those_of_the_specification() -> None:
    """Every label that applies has its value, those that do not are left out."""
    prefix = "org.opencontainers.image."
    assert target("api")["labels"] == {
        f"{prefix}revision": COMMIT.revision,
        f"{prefix}version": SHA,
        f"{prefix}created": "2023-11-14T22:13:20Z",
        f"{prefix}title": "api",
        f"{prefix}source": "https://example.org/shop",
        f"{prefix}base.name": "python:3.13-slim",
        f"{prefix}base.digest": digest("base"),
    }
    assert f"{prefix}base.name" not in target("web")["labels"]


def test_the_cache_is_beside_the_image() -> None:
    """Layers come from and go to :buildcache of the service's own repository."""
    api = target("api")
    assert api["cache-from"] == ["type=registry,ref=registry.example.org/api:buildcache"]
    (written,) = api["cache-to"]
    assert written.startswith("type=registry,ref=registry.example.org/api:buildcache,mode=max")


def test_a_cache_that_is_not_there_is_not_asked_for() -> None:
    """A service's first build leaves a cache and does not look for one."""
    web = target("web")
    assert web["cache-from"] == []
    assert len(web["cache-to"]) == 1


def test_the_cache_can_be_left_out() -> None:
    """`cache = false` for registries that take none."""
    assert not {"cache-from", "cache-to"} & set(target("api", cache=False))


def test_a_local_build_is_loaded_and_not_pushed() -> None:
    """Without a commit there is no label, no cache export and no push."""
    local = local_definition(project(), TREE, {"web": "registry.example.org/web:dev"})
    web = local["target"]["web"]
    assert web["output"] == ["type=docker"]
    assert web["platforms"] == ["linux/amd64"]
    assert not {"labels", "cache-to"} & set(web)
    assert "push" not in json.dumps(local)


def test_a_local_build_of_several_platforms_is_for_this_machine() -> None:
    """An engine loads one platform: where the project has several, it is the engine's own."""
    made = project(platform=["linux/amd64", "linux/arm64"])
    local = local_definition(made, TREE, {"web": "registry.example.org/web:dev"})
    assert "platforms" not in local["target"]["web"]


def test_a_cache_is_used_unless_it_is_said_otherwise() -> None:
    """A build anew is asked for by name."""
    made = project()
    tags = {"web": made.repository("web").tag(SHA)}
    fresh = definition(made, COMMIT, TREE, CONTEXTS, tags, PINS, None, [], fresh=True)
    assert target("web")["no-cache"] is False
    assert fresh["target"]["web"]["no-cache"] is True


def test_every_string_means_itself() -> None:
    """What Buildx would evaluate as a template reaches it escaped, in both kinds of build."""
    args = {"HOME_": "${HOME} %{if} $HOME $${X}"}
    escaped = "$${HOME} %%{if} $HOME $$${X}"
    services = {"api": {}, "web": {"context": "a${b}", "args": args}}
    assert target("web", services=services)["args"]["HOME_"] == escaped
    local = local_definition(project(services=services), TREE, {"web": "web:dev"})
    assert local["target"]["web"]["args"] == {"HOME_": escaped}
    assert local["target"]["web"]["context"] == "/tree/a$${b}"
