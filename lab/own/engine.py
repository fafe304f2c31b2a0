"""Engines of the lab's own: dockerd with the containerd image store."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import processes
from lab.errors import LabError
from lab.own import network
from lab.own.daemons import Daemon
from lab.place import Place

PROGRAM = "dockerd"
FIRST_HOST = 11  # the last byte of host1's address


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One dockerd of a lab: number 0 on this machine's own network, the others on hosts."""

    place: Place
    subnet: str
    number: int
    mtu: int
    registry_port: int

    @property
    def name(self) -> str:
        """`engine`, or `host1`, `host2`…"""
        return f"host{self.number}" if self.number else "engine"

    @property
    def socket(self) -> Path:
        """Where it listens; short, for a socket's path has at most 107 bytes."""
        return self.place.run / f"{self.name}.sock"

    @property
    def url(self) -> str:
        """What DOCKER_HOST takes."""
        return f"unix://{self.socket}"

    @property
    def host(self) -> network.Host:
        """The host that it runs on, where it is not this machine."""
        return network.Host(
            name=self.name,
            namespace=self.place.interface(f"h{self.number}"),
            port=self.place.interface(f"v{self.number}"),
            identity=self.place.run / f"{self.name}.uts",
            address=self.address,
        )

    @property
    def address(self) -> str:
        """Where a host's published ports answer."""
        return str(network.lab(self.subnet)[FIRST_HOST + self.number - 1])

    def daemon(self) -> Daemon:
        """How to run it."""
        file = self.place.run / f"{self.name}.json"
        command = [PROGRAM, "--config-file", str(file)]
        if self.number:
            command = [*self.host.entrance(), *command]
        return Daemon(
            name=self.name,
            command=command,
            file=file,
            configuration=json.dumps(self._configuration(), indent=2),
            ready=self.answers,
            prepare=self._forget_stale_pids,
        )

    def answers(self) -> bool:
        """Whether it is ready for work."""
        return answers(self.socket)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """One request to its API, and the answer.

        Raises:
            LabError: it refused, or did not answer.
        """
        try:
            status, content = _request(self.socket, method, path, body)
        except (OSError, http.client.HTTPException) as silent:
            raise LabError(
                f"{self.name} does not answer ({silent}); the end of its log is in "
                f"{self.place.log(self.name)}; `inv lab.up` starts it again"
            ) from silent
        if status >= 300:
            said = content.decode(errors="replace").strip()
            raise LabError(f"{self.name} refused {method} {path} with {status}: {said}")
        return json.loads(content) if content else None

    @property
    def _pidfile(self) -> Path:
        return self.place.run / f"{self.name}.pid"

    def _forget_stale_pids(self) -> None:
        # dockerd believes these files as long as any process at all has the number
        self._pidfile.unlink(missing_ok=True)
        own = self.place.run / self.name
        if not any(processes.naming(own, ["containerd"])):
            (own / "containerd/containerd.pid").unlink(missing_ok=True)

    def _configuration(self) -> dict[str, Any]:
        return {
            "hosts": [self.url],
            "data-root": str(self.place.state / self.name),
            "exec-root": str(self.place.run / self.name),
            "pidfile": str(self._pidfile),
            "features": {"containerd-snapshotter": True},
            "insecure-registries": [f"{network.lab(self.subnet)[1]}:{self.registry_port}"],
            # everything that a container starts can be found here, and ended, without dockerd
            "cgroup-parent": f"/{self.place.mark}",
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "mtu": self.mtu,
            "default-network-opts": {
                "bridge": {"com.docker.network.driver.mtu": str(self.mtu)},
            },
            "log-level": "warn",
            "shutdown-timeout": 2,
            **(self._on_host() if self.number else self._on_this_machine()),
        }

    def _on_this_machine(self) -> dict[str, Any]:
        # dockerd's own chains have fixed names: two engines that keep them undo each other's
        # work. The lab's rules serve all its networks, and the proxy publishes the ports.
        return {
            "bridge": self.place.interface("d"),
            "iptables": False,
            "ip6tables": False,
            "default-address-pools": [{"base": str(network.machine_pool(self.subnet)), "size": 24}],
        }

    def _on_host(self) -> dict[str, Any]:
        bridge = network.host_bridge(self.subnet)
        return {
            "bip": f"{bridge[1]}/{bridge.prefixlen}",
            "ip6tables": False,
            "default-address-pools": [{"base": str(network.host_pool(self.subnet)), "size": 24}],
        }


def answers(path: Path) -> bool:
    """Whether an engine answers on this socket."""
    try:
        return _request(path, "GET", "/_ping")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def _request(path: Path, method: str, target: str, body: object = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.sock.settimeout(60)
        connection.sock.connect(str(path))
        sent = json.dumps(body) if body is not None else None
        connection.request(method, target, sent, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
