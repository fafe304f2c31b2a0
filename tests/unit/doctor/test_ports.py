"""What `inv doctor` says of ports that two environments of one host would publish."""

from __future__ import annotations

from typing import Any

import pytest

from buildonce.doctor.ports import Publisher, clashes
from buildonce.engines.base import Target


def publisher(
    name: str, *entries: dict[str, Any], host: str = "box", engine: str = "compose",
    written: tuple[str, ...] = (),
) -> Publisher:  # fmt: skip
    model = {"services": {"web": {"ports": list(entries)}}}
    target = Target(name, engine, host, name)
    return Publisher(target, "compose.yaml", model, frozenset({host}), {"web": written})


def entry(published: str = "8080", **more: str) -> dict[str, Any]:
    return {"target": 80, "published": published, **more}


STAGING = publisher("staging", entry())


@pytest.mark.parametrize(
    "other",
    [
        publisher("production", entry(), host="elsewhere"),
        publisher("production", entry("8081")),
        publisher("production", entry(protocol="udp")),
        publisher("production", entry("")),
        publisher("production"),
    ],
    ids=["host", "port", "protocol", "chosen", "none"],
)
def test_environments_that_do_not_meet(other: Publisher) -> None:
    """Another host, port or protocol is no clash, nor is a port that the engine chooses."""
    assert list(clashes([STAGING, other])) == []


@pytest.mark.parametrize(
    "other",
    [
        publisher("production", entry()),
        publisher("production", entry(host_ip="127.0.0.1")),
        publisher("production", entry(), engine="swarm"),
    ],
    ids=["same", "one address", "swarm"],
)
def test_environments_that_meet(other: Publisher) -> None:
    """A port of all addresses is a port of each, and it is the host that has it, not the engine."""
    (clash,) = clashes([STAGING, other])
    assert "web would publish port" in clash.finding.found
    assert clash.finding.found.startswith("staging and production run on one host (box)")


def test_a_third_environment_is_told_of_once() -> None:
    """Each environment is compared with those before it, and gets a port that no other gets."""
    three = [publisher(name, entry()) for name in ("staging", "canary", "production")]
    assert [clash.finding.subject for clash in clashes(three)] == [
        "ports of staging and canary", "ports of staging and production",
    ]  # fmt: skip
    assert [clash.proposed for clash in clashes(three)] == [18080, 28080]


SETTING = "tool.buildonce.environments.production.variables"
LITERAL = f'in compose.yaml, publish "%s" of web, and set {SETTING}.PORT_WEB_80 = "18080"'


@pytest.mark.parametrize(
    ("written", "port", "remedy"),
    [
        ("8080:80", entry(), LITERAL % "${PORT_WEB_80:-8080}:80"),
        (
            "127.0.0.1:8080:80",
            entry(host_ip="127.0.0.1"),
            LITERAL % "127.0.0.1:${PORT_WEB_80:-8080}:80",
        ),
        (
            "[::1]:8080:80",
            entry(host_ip="::1"),
            LITERAL % "[::1]:${PORT_WEB_80:-8080}:80",
        ),
        ("${HTTP}:80", entry(), f"give HTTP another value in {SETTING}"),
        (
            "8000-8100:8000-8100",
            entry(),
            "publish other ports of web in production: compose.yaml",
        ),
    ],
)
def test_the_remedy_can_be_written_as_it_stands(
    written: str, port: dict[str, Any], remedy: str
) -> None:
    """A port in the file becomes a variable; one that is a variable gets another value."""
    (clash,) = clashes([STAGING, publisher("production", port, written=("${OTHER}:1", written))])
    expected = remedy.replace("HTTP", "OTHER or HTTP")
    assert clash.finding.remedy == expected


@pytest.mark.parametrize("port", [1, 80, 1023, 1024, 60000, 65535])
def test_a_port_that_is_proposed_can_be_published(port: int) -> None:
    """Whatever the port was, it is one that anybody may bind."""
    (clash,) = clashes(publisher(name, entry(str(port))) for name in ("staging", "production"))
    assert 1024 <= clash.proposed < 65536
    assert clash.proposed != port
