"""Which proxy an address is asked for through."""

from __future__ import annotations

import pytest

from buildonce.registry.connections import proxy_for

NAMES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_without_a_proxy_the_way_is_straight() -> None:
    """Where the environment names none, there is none."""
    assert proxy_for("https://registry.example.org/v2/") is None


def test_each_scheme_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS_PROXY is for https, HTTP_PROXY for http; a name without a scheme is an HTTP proxy."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.org:3128")
    monkeypatch.setenv("http_proxy", "other.example.org:8080")
    assert proxy_for("https://registry.example.org/v2/") == "http://proxy.example.org:3128"
    assert proxy_for("http://registry.example.org/v2/") == "http://other.example.org:8080"


@pytest.mark.parametrize("host", ["registry.example.org", "a.internal", "a.internal:5001"])
def test_exceptions_are_kept(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """What NO_PROXY names, with or without a port, is asked directly."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.org:3128")
    monkeypatch.setenv("NO_PROXY", "registry.example.org,.internal")
    assert proxy_for(f"https://{host}/v2/") is None
    assert proxy_for("https://another.example.org/v2/") is not None


@pytest.mark.parametrize("host", ["localhost:5001", "127.0.0.1", "127.0.0.1:5001", "[::1]:5001"])
def test_this_machine_is_never_behind_a_proxy(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Loopback addresses need no exception."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example.org:3128")
    assert proxy_for(f"http://{host}/v2/") is None
