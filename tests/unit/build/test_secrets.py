"""Build secrets: where Buildx finds them, and what is missing of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from buildonce.build.secrets import options, require, values
from buildonce.config import Project, parse
from buildonce.errors import PreconditionError


def project(**service: Any) -> Project:
    return parse({"registry": "registry.example.org", "services": {"web": service}})


def test_buildx_is_told_places_and_no_values(tmp_path: Path) -> None:
    """A variable by its name, a file by its path (commas too), SSH as docker takes it."""
    secrets = {"token": {"variable": "TOKEN"}, "conf": {"file": str(tmp_path / 'a,"b')}}
    ssh = ["default", "deploy=~/key"]
    assert options(project(secrets=secrets, ssh=ssh).service("web")) == {
        "secret": ["id=token,env=TOKEN", f'id=conf,"src={tmp_path}/a,""b"'],
        "ssh": ["default", f"deploy={Path.home()}/key"],
    }


def test_a_service_without_secrets_tells_buildx_nothing() -> None:
    """Older versions of Buildx never see an empty key."""
    assert options(project().service("web")) == {}


def test_everything_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unset variable, a file that is not there, no agent, no key: one message has them all."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("EMPTY", "")
    secrets = {"token": {"variable": "EMPTY"}, "conf": {"file": "/no/where"}}
    made = project(secrets=secrets, ssh=["default", "deploy=/no/key"])
    with pytest.raises(PreconditionError) as refused:
        require(made, ["web"])
    assert refused.value.message.splitlines() == [
        "service web: the variable EMPTY, for the secret token, is not set",
        "service web: the file /no/where, for the secret conf, cannot be read",
        "service web: no SSH agent runs, for ssh default (SSH_AUTH_SOCK is not set)",
        "service web: /no/key, for ssh deploy, cannot be read",
    ]


def test_what_is_there_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its variable set, its file and its agent there, a service can be built."""
    (tmp_path / "conf").write_text("x")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    monkeypatch.setenv("TOKEN", "t0ken")
    secrets = {"token": {"variable": "TOKEN"}, "conf": {"file": str(tmp_path / "conf")}}
    made = project(secrets=secrets, ssh=["default", f"deploy={tmp_path}/conf"])
    require(made, ["web"])
    assert values(made, ["web"]) == ["t0ken", "x"]


def test_a_value_that_is_no_text_has_nothing_to_hide(tmp_path: Path) -> None:
    """A binary key cannot appear in a log of lines; a file that is gone neither."""
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    secrets = {"key": {"file": str(tmp_path / "key")}, "gone": {"file": str(tmp_path / "gone")}}
    assert values(project(secrets=secrets), ["web"]) == ["", ""]
