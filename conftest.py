"""Labs for tests: one for each process that runs them, and the lab's store for Beacon's tests."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from pydantic import RedisDsn

import lab
from tests.kit.lab_docker import docker


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
    from beacon_libs.settings import Settings
    from beacon_libs.store import Store
    from beacon_libs.testing import answers, wait_until

    running = lab.up()
    container = docker(running, "run", "--detach", "--publish=127.0.0.1::6379", running.store_image)
    try:
        address = f"redis://{docker(running, 'port', container, '6379')}/0"
        store = Store(Settings(store_url=RedisDsn(address)))
        wait_until(lambda: answers(store), f"the store at {address} answers")
        store.close()
        yield address
    finally:
        docker(running, "rm", "--force", "--volumes", container)
