"""Ports that a stack publishes on all nodes, and who has them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from buildonce.engines.swarm.ingress import taken
from tests.kit.swarm_manager import NAMESPACE, definition, manager, service

HELD = {"PublishedPort": 8080, "Protocol": "tcp", "PublishMode": "ingress"}
OTHER = service("web", "nginx:1", stack="theirs")


def port(published: str = "8080", **more: str) -> dict[str, Any]:
    return {"target": 80, "published": published, **more}


def found(*holders: dict[str, Any], **ports: list[dict[str, Any]]) -> list[str]:
    """What is said of a stack with these ports, beside these services."""
    services = {name: {"image": "nginx:1", "ports": entries} for name, entries in ports.items()}
    there = manager()
    there.add(*holders)
    bundle = definition(there, json.dumps({"services": services}), {})
    return [str(one) for one in taken(bundle, there)]


TAKEN = "port 8080/tcp, which web publishes, is taken by the service theirs_web"


@pytest.mark.parametrize(
    ("holder", "wanted", "said"),
    [
        ({**OTHER, "Endpoint": {"Ports": [HELD]}}, port(), [TAKEN]),
        ({**OTHER, "Endpoint": {"Ports": [HELD]}}, port(mode="ingress"), [TAKEN]),
        ({**OTHER, "Endpoint": {"Ports": [HELD]}}, port(mode="host"), []),
        ({**OTHER, "Endpoint": {"Ports": [HELD]}}, port("8081"), []),
        ({**OTHER, "Endpoint": {"Ports": [{**HELD, "PublishMode": "host"}]}}, port(), []),
        ({**OTHER, "Endpoint": {"Ports": [{"Protocol": "tcp"}]}}, port(), []),
        ({**OTHER, "Endpoint": {}}, port(), []),
        (OTHER, port(), []),
        ({**service("web", "nginx:1"), "Endpoint": {"Ports": [HELD]}}, port(), []),
    ],
    ids=[
        "taken", "taken, mode given", "ours is of a host", "another port", "theirs is of a host",
        "theirs is unpublished", "no ports", "no endpoint", "our own",
    ],
)  # fmt: skip
def test_a_port_of_every_node_is_one_services(
    holder: dict[str, Any], wanted: dict[str, Any], said: list[str]
) -> None:
    """Another stack's service has it; ports of single hosts and the stack's own are no matter."""
    assert found(holder, web=[wanted]) == said


def test_a_service_of_no_stack_has_ports_as_well() -> None:
    """A service that was made by hand has no labels."""
    lone = {**OTHER, "Spec": {**OTHER["Spec"], "Labels": None}, "Endpoint": {"Ports": [HELD]}}
    assert NAMESPACE not in str(lone)
    assert found(lone, web=[port()]) == [TAKEN]


def test_two_services_of_the_stack_cannot_have_one_port() -> None:
    """Nor can a stack have it twice; it is told beside what others have."""
    assert found(web=[port()], jobs=[port()]) == [
        "port 8080/tcp, which jobs publishes, is taken by web, which publishes it too"
    ]


def test_a_stack_without_ports_asks_nobody() -> None:
    """Where nothing is published the manager is not asked for its services."""
    there = manager()
    assert list(taken(definition(there), there)) == []
    assert list(taken(definition(there, "services: {}", {}), there)) == []
    assert not any("service" in call for call in there.calls)
