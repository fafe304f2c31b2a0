"""The logins that nodes get, beside everything else of the client's configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from buildonce.engines.swarm import logins
from buildonce.errors import PreconditionError


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The client's own folder: a login, a setting, and a context."""
    folder = tmp_path / "own"
    (folder / "contexts").mkdir(parents=True)
    config = {"auths": {"r.example": {}}, "credsStore": "desktop", "currentContext": "far"}
    (folder / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


def pulling(tmp_path: Path, **config: object) -> str:
    folder = tmp_path / "pulling"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


@pytest.mark.parametrize("table", ["auths", "credHelpers"])
def test_a_folder_with_a_login_will_do(tmp_path: Path, table: str) -> None:
    """Whatever it is kept in."""
    logins.require(pulling(tmp_path, **{table: {"r.example": "x"}}), "production")
    logins.require("", "production")


def test_a_folder_without_a_login_is_refused(tmp_path: Path) -> None:
    """An empty table is none; what makes one is named."""
    folder = pulling(tmp_path, auths={}, currentContext="far")
    with pytest.raises(PreconditionError, match=r"^production: pull_config .* has no login"):
        logins.require(folder, "production")


def test_the_client_is_given_the_other_logins_and_nothing_else_changes(
    tmp_path: Path, own: Path
) -> None:
    """Its settings and contexts are its own; no login of its own goes along."""
    with logins.of(pulling(tmp_path, auths={"r.example": {"auth": "x"}}, proxies={})) as variables:
        made = Path(variables["DOCKER_CONFIG"])
        assert json.loads((made / "config.json").read_text()) == {
            "currentContext": "far",
            "auths": {"r.example": {"auth": "x"}},
        }
        assert (made / "contexts").samefile(own / "contexts")
    assert not made.exists()
    assert (own / "contexts").is_dir()


def test_a_client_without_a_folder_gets_the_logins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine on which nobody logged in has nothing to keep."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nothing"))
    with logins.of(pulling(tmp_path, credHelpers={"r.example": "x"})) as variables:
        config = Path(variables["DOCKER_CONFIG"], "config.json")
        assert json.loads(config.read_text()) == {"credHelpers": {"r.example": "x"}}


def test_without_a_folder_the_client_is_as_it_is() -> None:
    """Its own logins are what nodes get."""
    with logins.of("") as variables:
        assert variables == {}
