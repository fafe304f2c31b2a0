"""`inv images`: a release's references, for other deployment tools."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from buildonce.commands.images import images
from buildonce.commands.promote import promote
from buildonce.errors import PreconditionError, UsageError
from tests.kit.in_process import app
from tests.kit.monorepo import Monorepo
from tests.kit.releases import release


@pytest.fixture
def promoted(project: Monorepo) -> Monorepo:
    """A release in staging, and a later one that is nowhere."""
    promote(app(project), "staging", release(project, "Begin", web="one", jobs="one"))
    release(project, "Go on", web="two")
    return project


def printed(
    repo: Monorepo, name: str, form: str, capsys: pytest.CaptureFixture[str], **settings: Any
) -> str:
    images(app(repo, **settings), name, form)
    return capsys.readouterr().out


def references(repo: Monorepo, tag: str) -> dict[str, str]:
    return {name: f"{repo.images(name)}@{digest}" for name, digest in repo.digests(tag).items()}


def test_an_environments_are_of_what_it_runs(
    promoted: Monorepo, capsys: pytest.CaptureFixture[str]
) -> None:
    """The references are the digests that the environment's pointers name."""
    found = json.loads(printed(promoted, "staging", "json", capsys))
    assert found == references(promoted, "staging")


def test_a_commits_are_of_its_release(
    promoted: Monorepo, capsys: pytest.CaptureFixture[str]
) -> None:
    """A commit that is promoted nowhere has references, too."""
    found = json.loads(printed(promoted, "HEAD", "json", capsys))
    assert found == references(promoted, promoted.sha())


def test_for_a_shell(promoted: Monorepo, capsys: pytest.CaptureFixture[str]) -> None:
    """Each line sets the variable that deployment files name."""
    lines = printed(promoted, "staging", "env", capsys).splitlines()
    wanted = references(promoted, "staging")
    assert lines == [
        f"BUILDONCE_IMAGE_JOBS={wanted['jobs']}",
        f"BUILDONCE_IMAGE_WEB={wanted['web']}",
    ]


def test_for_helm(promoted: Monorepo, capsys: pytest.CaptureFixture[str]) -> None:
    """Values by service, repository and digest apart."""
    values = yaml.safe_load(printed(promoted, "staging", "helm", capsys))
    assert values["web"]["image"] == {
        "repository": str(promoted.images("web")),
        "digest": promoted.digests("staging")["web"],
    }


def test_for_kustomize(promoted: Monorepo, capsys: pytest.CaptureFixture[str]) -> None:
    """An image that the manifests call by another name is found by that name."""
    staging = {"engine": "none", "images": {"web": "shop-web"}}
    there = {"environments": {"staging": staging, "production": {"after": "staging"}}}
    component = yaml.safe_load(printed(promoted, "staging", "kustomize", capsys, **there))
    assert component["kind"] == "Component"
    assert [change["name"] for change in component["images"]] == [
        str(promoted.images("jobs")),
        "shop-web",
    ]
    assert component["images"][1]["digest"] == promoted.digests("staging")["web"]


def test_what_runs_nothing_is_an_error(promoted: Monorepo) -> None:
    """An environment before its first promotion names the command that makes it run something."""
    with pytest.raises(PreconditionError, match="production runs nothing yet") as refused:
        images(app(promoted), "production", "json")
    assert refused.value.hint == "inv promote production"


def test_an_unknown_format_is_an_error(promoted: Monorepo) -> None:
    """The message lists the formats that there are."""
    with pytest.raises(UsageError, match="kustomize, helm, env, json"):
        images(app(promoted), "staging", "toml")
