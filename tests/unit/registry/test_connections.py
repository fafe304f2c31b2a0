"""Which proxy an address is asked for through, and what is told of one that is none."""

from __future__ import annotations

import pytest

from buildonce.errors import UsageError
from buildonce.registry.connections import Connections, proxy_for

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


@pytest.mark.parametrize(
    "proxy",
    [
        "http://me:s3cret pw@[proxy:3128",
        "http://me:s3cretpw@proxy.invalid:99999",
        "http://me:s3cret: pw@proxy.invalid:99999",
        "socks5://me:s3cretpw@proxy.invalid:1080",
        "http://me:s3cretł@proxy.invalid:3128",
    ],
)
def test_a_proxy_that_is_none_is_told_without_its_value(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    """The error names the variables to look at, and never the password that one of them holds."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(UsageError) as caught:
        Connections().request("GET", "https://registry.example.org/v2/", {}, None)
    assert "HTTPS_PROXY, HTTP_PROXY and ALL_PROXY" in caught.value.hint
    assert "cret" not in caught.value.message + caught.value.hint
