"""Which ports of a host a Compose file publishes, and what has them."""

from __future__ import annotations

import os
import socket
from dataclasses import replace

import pytest

from buildonce.engines.base import Target
from buildonce.engines.compose import ports
from buildonce.engines.compose.ports import Port, Taken, is_bound, listed, published, twice
from buildonce.engines.docker import Docker
from buildonce.errors import PreconditionError
from tests.kit.docker_script import DockerScript

a_script = pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
LISTED = "ps --format {{.Names}}*"
OURS = "ps --filter label=com.docker.compose.project=shop --format {{.Ports}}"


def publishing(**numbers: int) -> dict[str, object]:
    """A resolved file whose services publish these."""
    return {
        "services": {
            name: {"ports": [{"target": 80, "published": str(number), "protocol": "tcp"}]}
            for name, number in numbers.items()
        }
    }


def docker(host: str = "") -> Docker:
    return Docker(Target("production", "compose", host, "shop"))


def free_port() -> int:
    with socket.create_server(("", 0)) as server:
        number: int = server.getsockname()[1]
        return number


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
        assert not is_bound(replace(port, protocol="udp"))
    assert not is_bound(port)


def test_a_program_that_listens_on_an_address_of_the_other_family_has_the_port() -> None:
    """A port of one IPv6 address is looked for there."""
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server:
        assert is_bound(Port(server.getsockname()[1], "tcp", "::1"))


def test_two_services_of_one_file_cannot_have_one_port() -> None:
    """The later of the two is named with the other; the same service may name it twice."""
    web, jobs, other = Port(80, "tcp"), Port(80, "tcp", "10.0.0.1"), Port(80, "udp")
    (found,) = twice([("web", web), ("web", web), ("jobs", jobs), ("jobs", other)])
    assert (found.service, found.port, found.holder) == (
        "jobs",
        jobs,
        "web, which publishes it too",
    )


def test_a_port_that_is_taken_is_named_with_its_address() -> None:
    """The message says which port of which address, whose it is, and what to do."""
    found = [
        Taken("web", Port(80, "tcp"), "the container old"),
        Taken("dns", Port(53, "udp", "10.0.0.1"), "a program on this machine"),
    ]
    target = Target("production", "compose", "ssh://h", "shop")
    with pytest.raises(PreconditionError) as refused:
        ports.require_free(target, found)
    assert refused.value.message == (
        "production (ssh://h): port 80/tcp, which web publishes, is taken by the container old; "
        "port 10.0.0.1:53/udp, which dns publishes, is taken by a program on this machine"
    )
    assert refused.value.hint == ports.REMEDY
    ports.require_free(target, [])


@a_script
@pytest.mark.stand_in
def test_containers_of_others_have_ports(docker_script: DockerScript) -> None:
    """Those of the project itself will be replaced; of several holders the first is named."""
    rows = [
        "shop-web-1\tshop\t0.0.0.0:80->80/tcp",
        "blog-web-1\tblog\t0.0.0.0:8080->80/tcp, [::]:8080->80/tcp",
        "by-hand\t\t127.0.0.1:8080->80/tcp",
        "quiet\t\t443/tcp",
    ]
    docker_script.answers(LISTED, "\n".join(rows))
    definition = publishing(web=80, api=8080, db=443)
    assert list(ports.taken_by_containers(definition, docker())) == [
        Taken("api", Port(8080, "tcp"), "the container blog-web-1", "blog")
    ]


@a_script
@pytest.mark.stand_in
def test_a_file_may_be_in_its_own_way(docker_script: DockerScript) -> None:
    """Two services, or two containers of one, cannot publish the same port."""
    definition = publishing(web=80, api=80, jobs=81)
    services: dict[str, dict[str, object]] = definition["services"]  # type: ignore[assignment]
    services["jobs"]["deploy"] = {"replicas": 2}
    services["api"]["deploy"] = {"replicas": 0}
    assert list(ports.taken_by_containers(definition, docker())) == [
        Taken("api", Port(80, "tcp"), "web, which publishes it too"),
        Taken("jobs", Port(81, "tcp"), "the first of its 2 containers"),
    ]


@a_script
@pytest.mark.stand_in
def test_nobody_is_asked_where_nothing_is_published(docker_script: DockerScript) -> None:
    """A file without ports is in nobody's way."""
    assert list(ports.taken({"services": {"web": {"image": "x"}}}, docker())) == []
    assert docker_script.calls() == []


@a_script
@pytest.mark.stand_in
def test_programs_of_this_machine_have_ports(docker_script: DockerScript) -> None:
    """Only where the engine is this machine's, and not the project's own containers."""
    with socket.create_server(("", 0)) as server:
        number = server.getsockname()[1]
        definition = publishing(web=number, api=free_port())
        (found,) = ports.taken(definition, docker())
        assert (found.service, found.port.number) == ("web", number)
        assert found.holder == "a program on this machine"
        assert list(ports.taken(definition, docker("ssh://h"))) == []
        docker_script.answers(OURS, f"0.0.0.0:{number}->80/tcp")
        assert list(ports.taken(definition, docker())) == []


@a_script
@pytest.mark.stand_in
def test_a_container_that_has_a_port_is_named_once(docker_script: DockerScript) -> None:
    """A port that an engine listens on for a container is not a program's as well."""
    with socket.create_server(("", 0)) as server:
        number = server.getsockname()[1]
        docker_script.answers(LISTED, f"blog-web-1\tblog\t0.0.0.0:{number}->80/tcp")
        found = list(ports.taken(publishing(web=number), docker()))
    assert found == [Taken("web", Port(number, "tcp"), "the container blog-web-1", "blog")]
