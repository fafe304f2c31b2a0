"""The api as its container runs it: one process, its health check, its end."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest
from beacon_libs.testing import free_port, wait_until

Environment = dict[str, str]


@pytest.fixture
def environment(store_url: str) -> Environment:
    """Return the variables of an api with a store and a free port."""
    return os.environ | {
        "BEACON_STORE_URL": store_url,
        "BEACON_LISTEN_PORT": str(free_port()),
        "BEACON_REVISION": "abc123",
    }


@pytest.fixture
def api(environment: Environment) -> Iterator[subprocess.Popen[str]]:
    """Yield a running, healthy api."""
    process = subprocess.Popen(
        [sys.executable, "-m", "beacon_api"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: health(environment).returncode == 0, "the api is healthy")
    yield process
    process.kill()
    process.communicate()


def test_sigterm_ends_it_cleanly(api: subprocess.Popen[str]) -> None:
    """A stopped container ends by itself with 0, and its log, on stdout, begins with its commit."""
    api.send_signal(signal.SIGTERM)
    stdout, stderr = api.communicate(timeout=10)
    assert (api.returncode, stderr) == (0, "")
    assert "api at revision abc123" in stdout.splitlines()[0]


def test_health_checks_stay_out_of_the_log(
    api: subprocess.Popen[str], environment: Environment
) -> None:
    """The log shows requests, without a line for every health check."""
    urllib.request.urlopen(f"http://127.0.0.1:{environment['BEACON_LISTEN_PORT']}/version").close()
    api.send_signal(signal.SIGTERM)
    stdout, _ = api.communicate(timeout=10)
    assert "/version" in stdout
    assert "/healthz" not in stdout


def test_the_health_check_fails_where_nothing_listens(environment: Environment) -> None:
    """An api that does not run is unhealthy, and the check says at which address."""
    check = health(environment)
    assert check.returncode == 1
    assert f":{environment['BEACON_LISTEN_PORT']}/healthz does not answer" in check.stderr


def test_the_health_check_fails_without_the_store() -> None:
    """An api that runs without its store is unhealthy, and the check passes on the reason."""
    without_store = os.environ | {
        "BEACON_STORE_URL": f"redis://127.0.0.1:{free_port()}/0",
        "BEACON_LISTEN_PORT": str(free_port()),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "beacon_api"], env=without_store, stdout=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: "answered 503" in health(without_store).stderr, "the api answers 503")
    finally:
        process.kill()
        process.wait()


def test_a_wrong_setting_ends_it_with_a_message(environment: Environment) -> None:
    """A wrong variable is named in a sentence, not in a traceback."""
    refused = subprocess.run(
        [sys.executable, "-m", "beacon_api"],
        env=environment | {"BEACON_LISTEN_PORT": "70000"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert refused.returncode == 1
    assert "BEACON_LISTEN_PORT" in refused.stderr
    assert "Traceback" not in refused.stderr


def health(environment: Environment) -> subprocess.CompletedProcess[str]:
    """Run the container's health check."""
    return subprocess.run(
        [sys.executable, "-m", "beacon_api.health"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
