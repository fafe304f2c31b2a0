"""Credentials as `docker login` left them: in the file, or with a helper."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from buildonce.errors import UsageError
from buildonce.registry.credentials import Credentials, client_config, find_credentials

POSIX = pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")

ROBOT = {"auth": "cm9ib3Q6czpjcmV0"}
"""robot and s:cret, as the docker client encodes them."""


class Client:
    """A docker client's configuration, and helpers that answer with a script of their own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.setenv("DOCKER_CONFIG", str(folder))
        monkeypatch.setenv("PATH", str(folder), prepend=":")

    def has(self, **config: Any) -> None:
        (self.folder / "config.json").write_text(json.dumps(config))

    def helper(self, name: str, answer: str, code: int = 0) -> None:
        """A helper that answers what it was asked for in the place of KEY."""
        script = f"#!/bin/sh\nread key\necho '{answer}' | sed \"s#KEY#$key#\"\nexit {code}\n"
        path = self.folder / f"docker-credential-{name}"
        path.write_text(script)
        path.chmod(0o755)


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    return Client(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("auths", "found"),
    [
        ({"ghcr.io": ROBOT}, Credentials("robot", "s:cret")),
        ({"https://ghcr.io": ROBOT}, Credentials("robot", "s:cret")),
        ({"ghcr.io": {"identitytoken": "refresh"}}, Credentials("<token>", "refresh", True)),
        ({"ghcr.io": {**ROBOT, "identitytoken": ""}}, Credentials("robot", "s:cret")),
        ({"docker.io": ROBOT}, None),
        ({"ghcr.io": {}}, None),
        ({"ghcr.io": []}, None),
        ([], None),
    ],
)
def test_what_the_file_has_is_found(client: Client, auths: Any, found: Credentials | None) -> None:
    """A user and a password, or a token of an identity, by the registry's name or its address."""
    client.has(auths=auths)
    assert find_credentials("ghcr.io") == found


def test_docker_hub_has_a_key_of_its_own(client: Client) -> None:
    """The docker client keeps it under the address of its first API, and no other registry."""
    client.has(auths={"https://index.docker.io/v1/": ROBOT})
    assert find_credentials("docker.io") == Credentials("robot", "s:cret")
    assert find_credentials("ghcr.io") is None


def test_a_secret_is_in_no_message() -> None:
    """Credentials that are printed by mistake show the user alone."""
    assert "s3cret" not in repr(Credentials("robot", "s3cret"))


@pytest.mark.parametrize("auth", ["gA==", "AAA", 5])
def test_garbled_credentials_are_told(client: Client, auth: object) -> None:
    """What cannot be decoded is told with the command that writes it anew."""
    client.has(auths={"ghcr.io": {"auth": auth}})
    with pytest.raises(UsageError, match=r"for ghcr\.io are garbled") as caught:
        find_credentials("ghcr.io")
    assert caught.value.hint == "docker login ghcr.io"


def test_a_file_that_is_no_json_is_told(client: Client) -> None:
    """Its path is named; a file that is not there, or is no table, has nothing in it."""
    assert client_config(client.folder) == {}
    (client.folder / "config.json").write_text("[]")
    assert client_config(client.folder) == {}
    (client.folder / "config.json").write_text("{")
    with pytest.raises(UsageError, match=r"config\.json cannot be read: JSONDecodeError"):
        client_config(client.folder)


@POSIX
@pytest.mark.stand_in
@pytest.mark.parametrize("key", [{"credHelpers": {"ghcr.io": "vault"}}, {"credsStore": "vault"}])
@pytest.mark.parametrize(("user", "identity"), [("robot", False), ("<token>", True)])
def test_a_helper_is_asked(client: Client, key: dict[str, Any], user: str, identity: bool) -> None:
    """The registry's own helper, or the one for all, gets the registry's name and answers."""
    client.has(**key, auths={"ghcr.io": {}})
    client.helper("vault", json.dumps({"Username": user, "Secret": "of KEY"}))
    assert find_credentials("ghcr.io") == Credentials(user, "of ghcr.io", identity=identity)


@POSIX
@pytest.mark.stand_in
def test_a_helper_that_has_nothing_leaves_it_to_the_file(client: Client) -> None:
    """A helper ends with 1 where it knows no credentials, whatever it says of that."""
    client.has(credsStore="vault", auths={"ghcr.io": ROBOT})
    client.helper("vault", '{"Username": "of nobody", "Secret": "x"}', code=1)
    assert find_credentials("ghcr.io") == Credentials("robot", "s:cret")


@POSIX
@pytest.mark.stand_in
@pytest.mark.parametrize("answer", ["not JSON", "{}", "[]"])
def test_a_helper_that_answers_nonsense_is_told(client: Client, answer: str) -> None:
    """Its program is named, and the command that has it store the credentials anew."""
    client.has(credsStore="vault")
    client.helper("vault", answer)
    with pytest.raises(UsageError, match="docker-credential-vault gave no credentials for") as told:
        find_credentials("ghcr.io")
    assert told.value.hint == "docker login ghcr.io"


@POSIX
@pytest.mark.stand_in
def test_a_helper_that_is_not_there_is_told(client: Client) -> None:
    """The configuration names a program that cannot be run: where it does is said."""
    client.has(credHelpers={"ghcr.io": "gone"})
    with pytest.raises(UsageError, match="docker-credential-gone cannot be run") as caught:
        find_credentials("ghcr.io")
    assert "config.json" in caught.value.hint
