"""Stack files: what Compose makes of a service, as ``docker stack`` takes it."""

from __future__ import annotations

import pytest

from buildonce.engines.swarm.stackfile import plain_service

PORT = {"mode": "ingress", "target": 80, "protocol": "tcp"}


@pytest.mark.parametrize(
    ("written", "port"),
    [
        ({**PORT, "published": "8080"}, {**PORT, "published": 8080}),
        ({**PORT, "published": "8080-8081"}, "8080-8081:80/tcp"),
        (PORT, PORT),
        ("${PORT}:80", "${PORT}:80"),
        ({**PORT, "published": "${PORT}"}, {**PORT, "published": "${PORT}"}),
    ],
)
def test_a_published_port_is_a_number(written: object, port: object) -> None:
    """Compose writes it as a string, which ``docker stack`` refuses; variables stay."""
    assert plain_service({"ports": [written]}) == {"ports": [port]}


def test_a_device_is_a_string() -> None:
    """As it was written, and not in the parts that Compose takes it into."""
    device = {"source": "/dev/a", "target": "/dev/b", "permissions": "rwm"}
    assert plain_service({"devices": [device]}) == {"devices": ["/dev/a:/dev/b:rwm"]}
    assert plain_service({"devices": ["/dev/a"]}) == {"devices": ["/dev/a"]}
