"""The worker as its container runs it: one process, its health check, its end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from beacon_libs.models import Target
from beacon_libs.store import Store
from beacon_libs.testing import free_port, wait_until

Environment = dict[str, str]


@pytest.fixture
def environment(store_url: str, tmp_path: Path) -> Environment:
    """Return the variables of a worker with a store and a heartbeat of its own."""
    return os.environ | {
        "BEACON_STORE_URL": store_url,
        "BEACON_INTERVAL_SECONDS": "0.05",
        "BEACON_TIMEOUT_SECONDS": "0.2",
        "BEACON_REVISION": "abc123",
        "TMPDIR": str(tmp_path),
    }


@contextmanager
def worker(environment: Environment) -> Iterator[subprocess.Popen[str]]:
    """Run a worker for as long as the block lasts."""
    process = subprocess.Popen(
        [sys.executable, "-m", "beacon_worker"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def module(name: str, environment: Environment) -> subprocess.CompletedProcess[str]:
    """Run one of the worker's small commands."""
    return subprocess.run(
        [sys.executable, "-m", f"beacon_worker.{name}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_it_probes_again_and_again(store: Store, environment: Environment) -> None:
    """A target gets a result with every round."""
    store.add(Target.of(f"http://127.0.0.1:{free_port()}/"))
    with worker(environment):
        wait_until(lambda: len(store.watched()[0].results) >= 2, "two results are recorded")


def test_it_is_healthy_once_a_round_is_completed(environment: Environment) -> None:
    """The health check turns from failure to success by the worker's own work."""
    assert "has not completed a round" in module("health", environment).stderr
    with worker(environment):
        wait_until(lambda: module("health", environment).returncode == 0, "the worker is healthy")


def test_a_worker_that_is_gone_becomes_unhealthy(environment: Environment) -> None:
    """The heartbeat runs out without the worker."""
    with worker(environment):
        wait_until(lambda: module("health", environment).returncode == 0, "the worker is healthy")
    wait_until(
        lambda: "overdue" in module("health", environment).stderr, "the heartbeat has run out"
    )


def test_it_never_gets_healthy_without_its_store(environment: Environment) -> None:
    """Rounds that cannot be recorded give no heartbeat, and the log says why."""
    without_store = environment | {"BEACON_STORE_URL": f"redis://127.0.0.1:{free_port()}/0"}
    with worker(without_store) as process:
        assert process.stdout is not None
        wait_until(
            lambda: "round not completed: the store at" in (process.stdout or sys.stdin).readline(),
            "the failed round is logged",
        )
        assert module("health", without_store).returncode == 1


def test_sigterm_ends_it_cleanly(environment: Environment) -> None:
    """A stopped container ends by itself with 0, and its log, on stdout, begins with its commit."""
    with worker(environment) as process:
        wait_until(lambda: module("health", environment).returncode == 0, "the worker is healthy")
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=10)
    assert (process.returncode, stderr) == (0, "")
    lines = stdout.splitlines()
    assert lines[0].endswith("worker at revision abc123")
    assert lines[-1].endswith("stopped")


def test_it_prints_its_commit(environment: Environment) -> None:
    """`python -m beacon_worker.version` prints what it was built from, and nothing else."""
    assert module("version", environment).stdout == "abc123\n"
