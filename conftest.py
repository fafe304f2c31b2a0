"""Beacon's tests get the lab's store when they run among the end-to-end tests."""

import os
import subprocess
from collections.abc import Iterator

import pytest

import lab


@pytest.fixture(scope="session")
def store_server() -> Iterator[str]:
    """A real store in a container of its own, in the lab."""
    running = lab.up()
    container = docker("run", "--detach", "--publish=127.0.0.1::6379", running.store_image)
    try:
        yield f"redis://{docker('port', container, '6379')}/0"
    finally:
        docker("rm", "--force", "--volumes", container)


def docker(*arguments: str) -> str:
    """Run docker in the lab and return what it said."""
    env = {**os.environ, **lab.up().environ()}
    done = subprocess.run(
        ["docker", *arguments], env=env, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()
