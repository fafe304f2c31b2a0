"""Which ports of a host a Compose file publishes."""

from __future__ import annotations

import socket

import pytest

from buildonce.doctor.ports import is_bound, published


@pytest.mark.parametrize(
    ("entry", "ports"),
    [
        ({"target": 80, "published": "8080", "protocol": "tcp"}, ["8080/tcp"]),
        ({"target": 53, "published": "53", "protocol": "udp"}, ["53/udp"]),
        ({"target": 80, "published": "8000-8002"}, ["8000/tcp", "8001/tcp", "8002/tcp"]),
        ({"target": 80}, []),
        ({"target": 80, "published": ""}, []),
    ],
)
def test_published_ports(entry: dict[str, object], ports: list[str]) -> None:
    """Ranges count as each of their ports; a port that the engine chooses is none."""
    assert published({"services": {"web": {"ports": [entry]}, "jobs": {}}}) == ports


def test_a_program_that_listens_has_the_port() -> None:
    """A port is bound for as long as a program of this machine listens on it."""
    with socket.create_server(("", 0)) as server:
        port = f"{server.getsockname()[1]}/tcp"
        assert is_bound(port)
    assert not is_bound(port)
