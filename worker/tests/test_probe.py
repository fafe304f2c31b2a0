"""Probing, against a real web server."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from beacon_libs.models import Result, Target
from beacon_libs.testing import free_port
from beacon_worker.probe import AT_ONCE, probe_all

TIMEOUT_SECONDS = 0.5


class Handler(BaseHTTPRequestHandler):
    """Answers /STATUS with that status, and /silent not before it is released."""

    released = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/silent":
            self.released.wait()
            return
        self.send_response(int(self.path[1:4]))
        self.send_header("Location", "/500")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the tests' output quiet."""


class Server(ThreadingHTTPServer):
    """Takes as many connections at once as a round can open."""

    request_queue_size = 2 * AT_ONCE


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Yield the address of a web server."""
    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Handler.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


def probe(*urls: str) -> list[Result]:
    """Probe addresses as the worker does."""
    return asyncio.run(probe_all([Target.of(url) for url in urls], TIMEOUT_SECONDS))


@pytest.mark.parametrize("status", [200, 301, 404, 503])
def test_the_answers_status_is_the_result(server: str, status: int) -> None:
    """An answer is recorded as it was given, redirects and errors included."""
    assert probe(f"{server}/{status}")[0].status == status


def test_the_latency_is_measured(server: str) -> None:
    """An answer's latency is above zero and within the limit."""
    assert 0 < probe(f"{server}/200")[0].latency_ms < TIMEOUT_SECONDS * 1000


def test_a_refused_connection_is_a_result() -> None:
    """Where nobody listens, the result has a reason instead of a status."""
    (result,) = probe(f"http://127.0.0.1:{free_port()}/")
    assert (result.status, result.up) == (None, False)
    assert result.error


def test_silence_ends_at_the_limit(server: str) -> None:
    """A server that never answers does not hold the round up."""
    (result,) = probe(f"{server}/silent")
    assert result.error == f"no answer within {TIMEOUT_SECONDS} s"
    assert result.latency_ms >= TIMEOUT_SECONDS * 1000


def test_one_failure_leaves_the_others_alone(server: str) -> None:
    """Every target gets its own result, in the targets' order, more of them than run at once."""
    urls = [f"{server}/{200 + number}" for number in range(AT_ONCE + 5)]
    urls[3] = f"http://127.0.0.1:{free_port()}/"
    statuses = [result.status for result in probe(*urls)]
    assert statuses == [None if n == 3 else 200 + n for n in range(AT_ONCE + 5)]
