"""Where it is played: a lab of the demo's own, with staging and production on its engine."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import lab

COMPOSE_FILE = "deploy/compose.yaml"


@dataclass(frozen=True)
class Environment:
    """One environment: its Compose project, and the port that its api is published at."""

    name: str
    project: str
    port: int

    @property
    def url(self) -> str:
        """The address of its api."""
        return f"http://127.0.0.1:{self.port}"


def environments() -> tuple[Environment, Environment]:
    """Return staging and production, with names and ports that nobody else has."""
    key = secrets.token_hex(4)
    return (
        Environment("staging", f"beacon-{key}-staging", _free_port()),
        Environment("production", f"beacon-{key}-production", _free_port()),
    )


def configure(running: lab.Lab, folder: Path, *places: Environment) -> dict[str, str]:
    """Write the settings that the lab calls for, and return the variables to play with."""
    overrides = json.loads(running.overrides())
    overrides["buildonce"]["environments"] = {
        place.name: {
            "engine": "compose",
            "file": COMPOSE_FILE,
            "project": place.project,
            "timeout": "60s",
            "variables": {"BEACON_PORT": f"127.0.0.1:{place.port}"},
        }
        for place in places
    }
    path = folder / "invoke.json"
    path.write_text(json.dumps(overrides, indent=2), encoding="utf-8")
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {
        **os.environ,
        **running.environ(),
        "INVOKE_RUNTIME_CONFIG": str(path),
        "PATH": tools,
        "NO_COLOR": "1",
    }


def clear(environment: Mapping[str, str], *places: Environment) -> None:
    """Remove what was deployed: the engine may be the machine's own."""
    for place in places:
        subprocess.run(
            ["docker", "compose", "--project-name", place.project, "down", "--volumes",
             "--timeout", "2"],
            env=environment, capture_output=True,
        )  # fmt: skip


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
