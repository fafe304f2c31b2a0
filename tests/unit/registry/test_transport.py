"""What is sent to which address, and what is told where nothing answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import urllib3

from buildonce.errors import UnavailableError
from buildonce.registry import transport
from buildonce.registry.connections import Answer, Connections
from buildonce.registry.transport import Transport

SCOPE = "repository:api:pull"


def authorized() -> Transport:
    transport = Transport("ghcr.io")
    transport._authorizations[SCOPE] = "Bearer t0ken"
    return transport


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/v2/", True),
        ("https://ghcr.io/v2/upload", True),
        ("https://ghcr.io:443/v2/upload", True),
        ("https://ghcr.io.evil.example/v2/upload", False),
        ("https://ghcr.io@evil.example/v2/upload", False),
        ("https://ghcr.io:444/v2/upload", False),
        ("http://ghcr.io/v2/upload", False),
    ],
)
def test_authorization_goes_to_the_registry_only(
    monkeypatch: pytest.MonkeyPatch, path: str, sent: bool
) -> None:
    """An upload's address that only begins like the registry's own gets no token."""
    seen: list[Mapping[str, str]] = []

    def request(_self: object, _method: str, _url: str, headers: Mapping[str, str], *_: Any) -> Any:
        seen.append(headers)
        return Answer(200, {}, b"", path)

    monkeypatch.setattr(Connections, "request", request)
    authorized().send("PUT", path, scope=SCOPE)
    assert [("Authorization" in headers) for headers in seen] == [sent]


def test_no_password_reaches_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever address the error names, it names it without user and password."""

    def request(*_: object) -> Any:
        raise urllib3.exceptions.LocationParseError("http://me:s3cretpw@proxy.invalid:99999")

    monkeypatch.setattr(Connections, "request", request)
    with pytest.raises(UnavailableError) as caught:
        authorized().send("GET", "/v2/", scope=SCOPE)
    assert caught.value.message.endswith("did not answer: http://proxy.invalid:99999")


def test_what_waits_together_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that are asked to wait at the same time are one line; a later one is another."""
    clock = 100.0
    monkeypatch.setattr("buildonce.registry.transport.time.monotonic", lambda: clock)
    said: list[str] = []
    waits = transport._Waits("ghcr.io", said.append)
    waits(429, 20.0)
    waits(429, 20.0)
    clock = 121.0
    waits(503, 5.0)
    assert said == [
        "the registry ghcr.io asks to wait 20 s (429)",
        "the registry ghcr.io asks to wait 5 s (503)",
    ]
