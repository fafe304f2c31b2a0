"""Which ports of a host a Compose file publishes, and what has them."""

from __future__ import annotations

import socket

import pytest

from buildonce.engines.compose.ports import Port, is_bound, listed, published, twice


@pytest.mark.parametrize(
    ("entry", "ports"),
    [
        ({"target": 80, "published": "8080", "protocol": "tcp"}, [Port(8080, "tcp")]),
        ({"target": 53, "published": "53", "protocol": "udp"}, [Port(53, "udp")]),
        ({"target": 80, "published": "8000-8001"}, []),
        ({"published": "80", "host_ip": "10.0.0.1"}, [Port(80, "tcp", "10.0.0.1")]),
        ({"published": "80", "host_ip": "0.0.0.0"}, [Port(80, "tcp")]),
        ({"target": 80}, []),
        ({"target": 80, "published": ""}, []),
    ],
)
def test_published_ports(entry: dict[str, object], ports: list[Port]) -> None:
    """A port that the engine chooses, of all or of a range, is none."""
    services = {"services": {"web": {"ports": [entry]}, "jobs": {}}}
    assert published(services) == [("web", port) for port in ports]


def test_ports_of_containers() -> None:
    """What `docker ps` lists is read: all addresses of both families, one address, ranges."""
    said = "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 127.0.0.1:5000-5001->5000-5001/udp, 443/tcp"
    assert listed(said) == [
        Port(8080, "tcp"),
        Port(8080, "tcp"),
        Port(5000, "udp", "127.0.0.1"),
        Port(5001, "udp", "127.0.0.1"),
    ]


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        (Port(80, "tcp"), Port(80, "tcp", "10.0.0.1"), True),
        (Port(80, "tcp", "10.0.0.1"), Port(80, "tcp", "10.0.0.1"), True),
        (Port(80, "tcp", "10.0.0.1"), Port(80, "tcp", "10.0.0.2"), False),
        (Port(80, "tcp"), Port(80, "udp"), False),
        (Port(80, "tcp"), Port(81, "tcp"), False),
    ],
)
def test_ports_clash_on_a_common_address(one: Port, other: Port, clash: bool) -> None:
    """Two addresses of a host may have the same port; all addresses and one may not."""
    assert one.clashes(other) is other.clashes(one) is clash


def test_a_program_that_listens_has_the_port() -> None:
    """A port is bound for as long as a program of this machine listens on it."""
    with socket.create_server(("", 0)) as server:
        port = Port(server.getsockname()[1], "tcp")
        assert is_bound(port)
    assert not is_bound(port)


def test_two_services_of_one_file_cannot_have_one_port() -> None:
    """The later of the two is named with the other; the same service may name it twice."""
    web, jobs, other = Port(80, "tcp"), Port(80, "tcp", "10.0.0.1"), Port(80, "udp")
    (found,) = twice([("web", web), ("web", web), ("jobs", jobs), ("jobs", other)])
    assert (found.service, found.port, found.holder) == (
        "jobs",
        jobs,
        "web, which publishes it too",
    )
