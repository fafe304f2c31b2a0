"""Labs for tests: one for each process that runs them, and the lab's store for Beacon's tests."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

import lab
from tests.kit.lab_docker import docker

ANSWERS = "until valkey-cli ping | grep -q PONG; do sleep 0.1; done"


def pytest_configure(config: pytest.Config) -> None:
    """Give each of several test processes a lab of its own: it comes up when it is asked for."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker:
        state = config.rootpath / f".lab-{worker}"
        os.environ["BUILDONCE_LAB"] = str(state)
        labs = ExitStack()
        labs.enter_context(lab.guarded(state))
        config.add_cleanup(labs.close)


@pytest.fixture(scope="session")
def store_server() -> Iterator[str]:
    """A real store in a container of its own, in the lab."""
    running = lab.up()
    container = docker(running, "run", "--detach", "--publish=127.0.0.1::6379", running.store_image)
    try:
        docker(running, "exec", container, "timeout", "30", "sh", "-c", ANSWERS)
        yield f"redis://{docker(running, 'port', container, '6379')}/0"
    finally:
        docker(running, "rm", "--force", "--volumes", container)
