"""What a lab is: as its users see it, and as it is kept on disk."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.own import images
from lab.place import Place
from lab.processes import Process
from lab.registry import Credentials

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A running lab.

    `registry` is HOST:PORT; `docker_host` and the values of `hosts` are what DOCKER_HOST takes;
    `addresses` are the hosts' addresses, where their published ports answer. The images are
    references by digest. Without an engine, `docker_host` and the images are empty.
    `kubeconfig` is the administrator's of the cluster, where there is one; `pause_image` is as
    small as an image can be that has a shell.
    """

    state: Path
    registry: str
    docker_host: str
    base_image: str
    store_image: str
    hosts: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    docker_config: Path | None = None
    kubeconfig: Path | None = None
    pause_image: str = ""

    @property
    def insecure(self) -> bool:
        """Whether clients must be told that this registry speaks plain HTTP."""
        return not self.registry.startswith(f"{LOOPBACK}:")

    def environ(self) -> dict[str, str]:
        """The environment variables with which docker, Invoke and Compose use this lab."""
        variables = {"INVOKE_RUNTIME_CONFIG": str(self.state / "invoke.yaml")}
        if self.docker_host:
            variables["DOCKER_HOST"] = self.docker_host
            variables["BEACON_STORE_IMAGE"] = self.store_image
        if self.docker_config:
            variables["DOCKER_CONFIG"] = str(self.docker_config)
        if self.kubeconfig:
            variables["KUBECONFIG"] = str(self.kubeconfig)
        return variables

    def exports(self) -> str:
        """`environ()` as lines for a shell to read."""
        return "".join(
            f"export {name}={shlex.quote(value)}\n" for name, value in self.environ().items()
        )

    def overrides(self) -> str:
        """Invoke's configuration that points buildonce at this lab (JSON, which is YAML too)."""
        settings: dict[str, object] = {"registry": self.registry}
        if self.insecure:
            settings["insecure"] = True
        if self.base_image:
            settings["bases"] = {f"python:{images.PYTHON.tag}": self.base_image}
        return json.dumps({"buildonce": settings}, indent=2) + "\n"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One daemon of a lab: where it answers, its number if the lab started it, whether it runs."""

    name: str
    address: str
    pid: int | None
    running: bool


@dataclass(kw_only=True)
class Record:
    """What a lab has started and made, written down before anything depends on it."""

    mode: str
    engine: bool = False
    port: int = 0
    subnet: str = ""
    mtu: int = 0
    forwarding: str = ""
    hosts: int = 0
    swarm: bool = False
    kubernetes: bool = False
    credentials: Credentials | None = None
    processes: dict[str, Process] = field(default_factory=dict)
    docker_host: str = ""
    base_image: str = ""
    store_image: str = ""
    pause_image: str = ""
    programs: str = ""

    @property
    def complete(self) -> bool:
        """Whether all that was asked for has been up."""
        return bool(self.port and (self.base_image or not self.engine))

    def save(self, place: Place) -> None:
        """Write the record, whole or not at all."""
        place.state.mkdir(parents=True, exist_ok=True)
        fresh = place.record.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self), indent=2) + "\n")
        fresh.chmod(0o600)
        fresh.replace(place.record)

    @classmethod
    def load(cls, place: Place) -> Record | None:
        """The record of the lab in `place`; None where there is no lab.

        Raises:
            LabError: there is one that cannot be read.
        """
        try:
            return cls._parse(json.loads(place.record.read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LabError(
                f"{place.record} cannot be read ({error}); `inv lab.down` removes what is left "
                "of this lab, then `inv lab.up` makes a new one"
            ) from error

    @classmethod
    def _parse(cls, kept: dict[str, Any]) -> Record:
        known = {one.name: kept[one.name] for one in fields(cls) if one.name in kept}
        known["processes"] = {name: Process(**one) for name, one in kept["processes"].items()}
        if kept["credentials"]:
            known["credentials"] = Credentials(**kept["credentials"])
        return cls(**known)
