"""The docker client on a lab's engines."""

from __future__ import annotations

import os
import subprocess

import lab


def docker(running: lab.Lab, *arguments: str, host: str = "") -> str:
    """Run docker on the lab's engine, or on one of its hosts, and return what it printed."""
    env = {**os.environ, **running.environ()}
    if host:
        env["DOCKER_HOST"] = running.hosts[host]
    done = subprocess.run(
        ["docker", *arguments], env=env, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()
