"""An engine of the lab's own: dockerd with the containerd image store."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import network
from .place import Place

PROGRAMS = ("dockerd", "containerd", "containerd-shim-runc-v2")


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One dockerd: its name, and the lab it belongs to."""

    place: Place
    name: str
    subnet: str

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.place.socket(self.name)

    @property
    def url(self) -> str:
        """What DOCKER_HOST takes."""
        return f"unix://{self.socket}"

    @property
    def pidfile(self) -> Path:
        """Written by dockerd, which refuses to start where a stale one names a live process."""
        return self.place.run / f"{self.name}.pid"

    @property
    def command(self) -> list[str]:
        """The command that starts it."""
        return ["dockerd", "--config-file", str(self.place.run / f"{self.name}.json")]

    def configuration(self) -> str:
        """dockerd's configuration file."""
        return json.dumps({**self._common(), **self._on_this_machine()}, indent=2)

    def answers(self) -> bool:
        """Whether it is ready for work."""
        return ping(self.socket)

    def _common(self) -> dict[str, Any]:
        size = network.mtu()
        return {
            "hosts": [self.url],
            "data-root": str(self.place.state / self.name),
            "exec-root": str(self.place.run / self.name),
            "pidfile": str(self.pidfile),
            "features": {"containerd-snapshotter": True},
            "insecure-registries": [str(network.part(self.subnet, 1))],
            "mtu": size,
            "default-network-opts": {"bridge": {"com.docker.network.driver.mtu": str(size)}},
            "log-level": "warn",
            "shutdown-timeout": 2,
        }

    def _on_this_machine(self) -> dict[str, Any]:
        # dockerd's own chains have fixed names: two engines that keep them undo each other's
        # work. The lab's rules serve all its networks, and the proxy publishes the ports.
        return {
            "bridge": self.place.interface("d"),
            "iptables": False,
            "ip6tables": False,
            "default-address-pools": [
                {"base": str(network.part(self.subnet, 128, 18)), "size": 24}
            ],
        }


def ping(path: Path) -> bool:
    """Whether an engine answers on this socket."""
    connection = http.client.HTTPConnection("localhost", timeout=5)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.sock.settimeout(5)
        connection.sock.connect(str(path))
        connection.request("GET", "/_ping")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
