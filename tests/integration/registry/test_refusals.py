"""What is said where a registry has not what it names, or wants credentials it does not get."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path

import pytest

from buildonce.errors import IntegrityError, RemovalError, UnavailableError
from buildonce.refs import digest_of
from buildonce.registry import Manifest, Registry
from buildonce.registry.manifest import PLAIN_MANIFESTS
from tests.kit.answers import say, serving
from tests.kit.registry_wire import OCI_INDEX, OCI_MANIFEST

MANIFEST = b'{"schemaVersion": 2}'
BLOB = b"a layer"
Answering = Callable[[BaseHTTPRequestHandler], None]


def with_status(status: int, **headers: str) -> Answering:
    """A registry that has one answer to everything."""
    return lambda handler: say(handler, status, b"", None, **headers)


@pytest.mark.parametrize(
    ("challenge", "told"),
    [
        ('Basic realm="here"', "asks for credentials and there are none"),
        ("", "asks for credentials and there are none"),
        ('Negotiate realm="here"', "asks for credentials and there are none"),
        ('Bearer service="it"', "asks for a token, and names no token endpoint"),
    ],
)
def test_a_challenge_that_cannot_be_met_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, challenge: str, told: str
) -> None:
    """Nobody is logged in, or nothing says where tokens are: the registry is named."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with (
        serving(with_status(401, WWW_Authenticate=challenge)) as server,
        pytest.raises(UnavailableError) as caught,
    ):
        Registry().digest(server.tag)
    assert caught.value.message == f"the registry {server.address} {told}"


def test_a_token_that_is_refused_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What gives tokens says no: the account is to be another."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    def no_token(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.startswith("/token"):
            say(handler, 400)
        else:
            realm = f'Bearer realm="http://{server.address}/token"'
            say(handler, 401, WWW_Authenticate=realm)

    with (
        serving(no_token) as server,
        pytest.raises(UnavailableError, match=r"refused GET a token \(400\)") as caught,
    ):
        Registry().digest(server.tag)
    assert caught.value.hint.startswith(f"docker login {server.address} ")


def test_a_refresh_token_is_traded_for_one_to_work_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An identity's token goes in the body of a request, to where tokens are, and not in a URL."""
    forms: list[str] = []

    def trading(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/token":
            length = int(handler.headers["Content-Length"])
            forms.append(handler.rfile.read(length).decode())
            say(handler, 200, b'{"access_token": "good"}')
        elif handler.headers.get("Authorization") == "Bearer good":
            say(handler, 200, MANIFEST)
        else:
            realm = f'Bearer realm="http://{server.address}/token",service="it"'
            say(handler, 401, WWW_Authenticate=realm)

    with serving(trading) as server:
        auths = {server.address: {"identitytoken": "refresh-me"}}
        (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        assert Registry().digest(server.tag) == digest_of(MANIFEST)
    (form,) = forms
    assert {"grant_type=refresh_token", "refresh_token=refresh-me"} <= set(form.split("&"))
    assert not [path for _, path, _ in server.seen if "refresh-me" in path]


def test_a_blob_is_its_bytes_or_none() -> None:
    """What is missing is told apart from what is something else, in memory and in a file."""
    with serving(lambda handler: say(handler, 200, BLOB)) as server:
        registry, place, there = Registry(), server.tag.repository, digest_of(BLOB)
        other, file = digest_of(b"other"), BytesIO()
        assert registry.blob(place, there) == BLOB
        assert registry.read_blob(place, there, file)
        assert file.getvalue() == BLOB
        with pytest.raises(IntegrityError, match="with other bytes"):
            registry.blob(place, other)
        with pytest.raises(IntegrityError, match="with other bytes"):
            registry.read_blob(place, other, BytesIO())
    with serving(with_status(404)) as server:
        registry, place = Registry(), server.tag.repository
        assert registry.blob(place, there) is None
        assert not registry.has_blob(place, there)
        assert not registry.read_blob(place, there, BytesIO())
    with serving(with_status(500)) as server:
        registry, place = Registry(), server.tag.repository
        for ask in (registry.blob, registry.has_blob):
            with pytest.raises(UnavailableError, match="answered 500"):
                ask(place, there)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "its configuration sha256:[0-9a-f]+ is missing"),
        (b"[]", "is not one of an image"),
        (b"<", "is not one of an image"),
    ],
)
def test_an_image_without_its_configuration_is_damaged(content: bytes | None, told: str) -> None:
    """Labels of what is missing, or is no configuration, are not guessed."""
    digest = digest_of(content or b"")
    document = json.dumps({"config": {"digest": digest}}).encode()
    answer = with_status(404) if content is None else lambda handler: say(handler, 200, content)
    with serving(answer) as server:
        image = Manifest(server.tag, document, OCI_MANIFEST)
        with pytest.raises(IntegrityError, match=told) as caught:
            Registry().labels(image)
    assert "inv build --sha" in caught.value.hint


def test_an_index_names_what_is_there() -> None:
    """One that names a manifest which is gone is damaged, and both are named."""
    entry = {"mediaType": OCI_MANIFEST, "digest": digest_of(MANIFEST)}
    index = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()

    def without_children(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.endswith("/staging"):
            say(handler, 200, index, Content_Type=OCI_INDEX)
        else:
            say(handler, 404)

    with (
        serving(without_children) as server,
        pytest.raises(IntegrityError) as caught,
    ):
        Registry().family(server.tag)
    assert (
        caught.value.message
        == f"{server.tag} names {entry['digest']}, which is not in the registry"
    )


def test_an_upload_that_goes_nowhere_is_told() -> None:
    """A registry has to say where the bytes are to go."""
    with (
        serving(with_status(202)) as server,
        pytest.raises(UnavailableError, match="began an upload and did not say where"),
    ):
        Registry().require_writable(server.tag.repository)


def deleting(*, by_digest: int) -> Answering:
    """A registry that removes no tag by its name; ``by_digest`` is its answer to a digest."""
    kept = {"staging": MANIFEST}

    def answer(handler: BaseHTTPRequestHandler) -> None:
        reference = handler.path.rpartition("/")[2]
        if handler.command == "PUT":
            kept[reference] = handler.rfile.read(int(handler.headers["Content-Length"]))
            say(handler, 201)
        elif handler.command == "DELETE":
            known = {str(digest_of(content)): tag for tag, content in kept.items()}
            if reference in known and by_digest == 202:
                del kept[known[reference]]
            by_name = not reference.startswith("sha256:")
            say(handler, 405 if by_name else by_digest if reference in known else 404)
        elif handler.command == "HEAD":
            handler.send_response(200)
            handler.end_headers()
        elif reference in kept:
            say(handler, 200, kept[reference], Content_Type=PLAIN_MANIFESTS[0])
        else:
            say(handler, 404)

    return answer


def test_a_tag_goes_with_a_manifest_of_its_own() -> None:
    """Where no tag is removed by its name, it is given another manifest, and that one goes."""
    with serving(deleting(by_digest=202)) as server:
        registry = Registry()
        registry.require_removal(server.tag.repository)
        registry.remove_tag(server.tag)
        assert registry.digest(server.tag) is None
        registry.remove_tag(server.tag)


def test_a_tag_that_cannot_go_names_what_it_named() -> None:
    """Where the manifest cannot be removed after all, the tag is put back."""
    with serving(deleting(by_digest=500)) as server:
        registry = Registry()
        with pytest.raises(UnavailableError, match=f"removing {server.tag}.* answered 500"):
            registry.remove_tag(server.tag)
        assert registry.digest(server.tag) == digest_of(MANIFEST)


def test_a_registry_that_removes_nothing_is_told_before() -> None:
    """A release is not taken out of use where its tags cannot go."""
    with (
        serving(with_status(405)) as server,
        pytest.raises(RemovalError, match=r"removes nothing by its API \(it answered 405\)"),
    ):
        Registry().require_removal(server.tag.repository)


@pytest.mark.parametrize(("status", "told"), [(404, ""), (202, ""), (500, "answered 500")])
def test_a_tag_that_is_gone_is_removed(status: int, told: str) -> None:
    """It was somebody else who removed it, or it was us; all else is the registry's error."""
    with serving(with_status(status)) as server:
        if told:
            with pytest.raises(UnavailableError, match=told):
                Registry().remove_tag(server.tag)
        else:
            Registry().remove_tag(server.tag)
    assert {method for method, _, _ in server.seen} == {"DELETE"}
