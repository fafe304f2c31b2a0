"""What a registry may answer without doing harm: too much, too little, nonsense, other hosts."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from buildonce.errors import IntegrityError, RemovalError, UnavailableError
from buildonce.refs import Repository, digest_of
from buildonce.registry import Manifest, Registry, client
from buildonce.registry import connections as limits
from tests.kit.answers import Server, say, serving

MANIFEST = b'{"schemaVersion": 2}'


@pytest.fixture
def logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Server], None]:
    """Store a password for a registry, as ``docker login`` does."""

    def store(server: Server) -> None:
        auths = {server.address: {"auth": "cm9ib3Q6c2VjcmV0"}}
        (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    return store


def test_an_endless_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more is read than any manifest is long: memory stays bounded."""
    monkeypatch.setattr(limits, "LARGEST", 100_000)

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b" " * 10_000)
        except OSError:
            pass

    with serving(endless) as server, pytest.raises(UnavailableError, match="more than 100000"):
        Registry().digest(server.tag)


def test_an_answer_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that never ends ends after a time, however small it is."""
    monkeypatch.setattr(limits, "LONGEST", 0.0)
    with (
        serving(lambda handler: say(handler, 200, MANIFEST)) as server,
        pytest.raises(UnavailableError, match="still answered"),
    ):
        Registry().digest(server.tag)


def test_a_truncated_answer_is_asked_for_again() -> None:
    """A body that breaks off once is no manifest; the next one is."""

    def first_short(handler: BaseHTTPRequestHandler) -> None:
        if len(server.seen) == 1:
            say(handler, 200, MANIFEST[:5], length=len(MANIFEST))
            handler.close_connection = True
        else:
            say(handler, 200, MANIFEST)

    with serving(first_short) as server:
        assert Registry().digest(server.tag) == digest_of(MANIFEST)


def test_what_is_always_truncated_is_an_error() -> None:
    """A body that always breaks off ends as a registry that does not answer."""

    def short(handler: BaseHTTPRequestHandler) -> None:
        say(handler, 200, MANIFEST[:5], length=len(MANIFEST))
        handler.close_connection = True

    with serving(short) as server, pytest.raises(UnavailableError, match=r"127\.0\.0\.1"):
        Registry().digest(server.tag)


def test_a_false_digest_header_is_not_believed() -> None:
    """What a manifest's digest is, its bytes say, and nothing else."""
    lie = "sha256:" + "a" * 64
    with serving(lambda handler: say(handler, 200, MANIFEST, Docker_Content_Digest=lie)) as server:
        assert Registry().digest(server.tag) == digest_of(MANIFEST)


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"{}", b'{"config": 1, "layers": [{}]}'])
def test_nonsense_is_an_integrity_error(content: bytes) -> None:
    """What is no manifest is named as such when it is looked into."""
    tag = Repository("registry.example.org", "shop/web").tag("staging")
    manifest = Manifest(tag, content, "application/vnd.oci.image.manifest.v1+json")
    with pytest.raises(IntegrityError, match="not an image manifest"):
        _ = manifest.config


def test_a_wait_that_is_asked_for_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that asks for a day's patience gets seconds."""
    monkeypatch.setattr(limits, "PATIENCE", 0.01)

    def busy_once(handler: BaseHTTPRequestHandler) -> None:
        if len(server.seen) == 1:
            say(handler, 429, Retry_After="86400")
        else:
            say(handler, 200, MANIFEST)

    said: list[str] = []
    with serving(busy_once) as server:
        assert Registry(notice=said.append).digest(server.tag) == digest_of(MANIFEST)
    assert said == [f"the registry {server.tag.repository.registry} asks to wait 0 s (429)"]


def test_an_expired_token_is_replaced() -> None:
    """A token that was taken once and is refused later costs a request for another, no failure."""
    valid: list[str] = []

    def for_one_request(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.startswith("/token"):
            valid.append(f"token-{len(server.seen)}")
            say(handler, 200, json.dumps({"token": valid[-1]}).encode())
        elif valid and handler.headers.get("Authorization") == f"Bearer {valid[-1]}":
            valid.clear()
            say(handler, 200, MANIFEST)
        else:
            realm = f'Bearer realm="http://{server.address}/token",service="test"'
            say(handler, 401, WWW_Authenticate=realm)

    with serving(for_one_request) as server:
        registry = Registry()
        found = [registry.digest(server.tag) for _ in range(3)]
    assert found == [digest_of(MANIFEST)] * 3


def test_a_tag_is_given_a_moment_after_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that still answers with what a tag named before is asked again."""
    monkeypatch.setattr(client, "LAG", (0.0, 0.0))
    answers = iter([MANIFEST, b'{"schemaVersion": 2, "before": true}', MANIFEST])

    def lagging(handler: BaseHTTPRequestHandler) -> None:
        if handler.command == "PUT":
            say(handler, 201)
        else:
            say(handler, 200, next(answers))

    with serving(lagging) as server:
        Registry().point(server.tag, digest_of(MANIFEST))
    assert next(answers, None) is None


def test_a_tag_that_names_it_already_may_refuse_to_be_written() -> None:
    """Where tags are immutable, one that has the bytes is as good as written."""

    def immutable(handler: BaseHTTPRequestHandler) -> None:
        say(handler, 400 if handler.command == "PUT" else 200, MANIFEST)

    with serving(immutable) as server:
        Registry().point(server.tag, digest_of(MANIFEST))


def test_what_was_read_is_not_read_again() -> None:
    """A manifest that was read by its digest is put under a tag, and read back, no more."""

    def holding(handler: BaseHTTPRequestHandler) -> None:
        say(handler, 201 if handler.command == "PUT" else 200, MANIFEST)

    with serving(holding) as server:
        registry = Registry()
        registry.manifest(server.tag.repository.at(digest_of(MANIFEST)))
        registry.point(server.tag, digest_of(MANIFEST))
        assert [method for method, _, _ in server.seen] == ["GET", "PUT", "GET"]


def test_a_revision_costs_one_request() -> None:
    """The label is in the configuration; the manifest that is given is not read again."""
    config = b'{"config": {"Labels": {"org.opencontainers.image.revision": "it"}}}'
    document = {"config": {"digest": digest_of(config)}}
    with serving(lambda handler: say(handler, 200, config)) as server:
        plain = "application/vnd.oci.image.manifest.v1+json"
        manifest = Manifest(server.tag, json.dumps(document).encode(), plain)
        assert Registry().revision(manifest) == "it"
        assert len(server.seen) == 1


def test_another_hosts_challenge_gets_no_credentials(logged_in: Callable[[Server], None]) -> None:
    """A registry that redirects to a host which asks for a password has not got ours for it."""
    with (
        serving(lambda handler: say(handler, 401, WWW_Authenticate='Basic realm="give"')) as other,
        serving(
            lambda handler: say(handler, 307, Location=f"http://{other.address}/v2/x")
        ) as server,
    ):
        logged_in(server)
        with pytest.raises(UnavailableError, match="refused"):
            Registry().digest(server.tag)
    assert [authorization for _, _, authorization in other.seen] == [""]


def test_what_writes_is_not_redirected(logged_in: Callable[[Server], None]) -> None:
    """A body goes to the registry, or nowhere."""
    with (
        serving(lambda handler: say(handler, 201)) as other,
        serving(
            lambda handler: say(handler, 307, Location=f"http://{other.address}/v2/x")
        ) as server,
    ):
        logged_in(server)
        with pytest.raises(UnavailableError, match="307"):
            Registry().put_manifest(server.tag, MANIFEST, "application/json")
    assert other.seen == []


@pytest.mark.parametrize("status", [401, 403, 405])
def test_a_removal_that_is_refused_is_told_apart(
    status: int, logged_in: Callable[[Server], None]
) -> None:
    """Whether the registry never removes or this account may not: callers can go on."""

    def refuse(handler: BaseHTTPRequestHandler) -> None:
        if handler.command == "DELETE":
            say(handler, status, WWW_Authenticate='Basic realm="here"')
        else:
            say(handler, 200, MANIFEST)

    with serving(refuse) as server:
        logged_in(server)
        with pytest.raises(RemovalError):
            Registry().remove_tag(server.tag)
        assert "PUT" not in [method for method, _, _ in server.seen]
