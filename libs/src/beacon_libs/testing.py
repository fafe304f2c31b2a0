"""Fixtures for the tests of every service: a real store.

The server of BEACON_TEST_STORE_URL if that is set, else one of their own, from PATH.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from pydantic import RedisDsn

from beacon_libs.settings import Settings
from beacon_libs.store import Store, StoreError

SERVERS = ("valkey-server", "redis-server")

PORTS = range(20_000, 32_768)
"""Below those that Linux, and Docker with it, gives to whoever asks for any port."""


@pytest.fixture(scope="session")
def store_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a store that answers."""
    given = os.environ.get("BEACON_TEST_STORE_URL")
    if given:
        yield given
        return
    port = free_port()
    server = start_server(port, tmp_path_factory.mktemp("store"))
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(timeout=10)


@pytest.fixture
def store_url(store_server: str) -> str:
    """Return the address of a store that holds nothing of Beacon's."""
    with redis.Redis.from_url(store_server) as client:
        for key in client.scan_iter("beacon:*"):
            client.delete(key)
    return store_server


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """Yield an empty store."""
    store = Store(Settings(store_url=RedisDsn(store_url)))
    yield store
    store.close()


def start_server(port: int, folder: Path) -> subprocess.Popen[bytes]:
    """Start a store on a port and wait until it answers."""
    executable = next(filter(None, map(shutil.which, SERVERS)), None)
    if executable is None:
        pytest.fail(
            f"Beacon's tests need a store: none of {' or '.join(SERVERS)} is on PATH. "
            "Run `sudo apt-get install redis-server`, or set BEACON_TEST_STORE_URL.",
            pytrace=False,
        )
    server = subprocess.Popen(
        [executable, "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    store = Store(Settings(store_url=RedisDsn(f"redis://127.0.0.1:{port}/0")))
    wait_until(lambda: answers(store), f"{executable} on port {port} answers")
    store.close()
    return server


def answers(store: Store) -> bool:
    """Tell whether a store can be had at this moment."""
    try:
        store.check()
    except StoreError:
        return False
    return True


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    return next(port for port in random.sample(PORTS, len(PORTS)) if is_free(port))


def is_free(port: int) -> bool:
    """Tell whether a port can be listened on at this moment."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 15) -> None:
    """Return as soon as a condition holds; fail, naming it, where it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} s in vain until {what}")
        time.sleep(0.02)
