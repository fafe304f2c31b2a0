"""Labs for tests: one for each process that runs them, and the lab's store for Beacon's tests."""

import os
import subprocess
from collections.abc import Iterator

import pytest

import lab


def pytest_configure(config: pytest.Config) -> None:
    """Give each of several test processes a lab of its own: it comes up when it is asked for."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker:
        os.environ["BUILDONCE_LAB"] = str(config.rootpath / f".lab-{worker}")


def pytest_unconfigure() -> None:
    """Take down what such a process has brought up."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        lab.down()


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
