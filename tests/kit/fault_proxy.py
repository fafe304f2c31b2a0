"""A proxy between a program and the real registry that spoils the requests that it is told to."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.kit.registry_wire import ACCEPT

STALL = 2.0
"""Seconds without an answer: longer than a client waits that tests give little patience."""

ENDLESS = 64 * 1024 * 1024
"""Bytes after which an endless answer ends after all."""

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s: closing sends a reset
TLS_HANDSHAKE = b"\x16"
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Answer:
    """What the registry has answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class FaultProxy:
    """Counts requests, and spoils that of number `first` and, if `lasting`, all that follow.

    `largest` is how many bytes a client has taken of one endless answer.
    """

    upstream: str
    address: str = ""
    fault: Fault | None = None
    first: int = 0
    lasting: bool = False
    requests: int = 0
    spoilt: int = 0
    largest: int = 0
    known: dict[str, Answer] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    @contextmanager
    def before(cls, upstream: str) -> Iterator[FaultProxy]:
        proxy = cls(upstream)

        class Handler(_Handler):
            front = proxy

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        proxy.address = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    @contextmanager
    def spoiling(self, fault: Fault | None, first: int = 0, *, lasting: bool) -> Iterator[None]:
        """Count from 0, and spoil requests in the block."""
        self.fault, self.first, self.lasting = fault, first, lasting
        self.requests = self.spoilt = self.largest = 0
        try:
            yield
        finally:
            self.fault = None

    def next_fault(self) -> Fault | None:
        """The fault of the request that has just come, if it is one to spoil."""
        with self._lock:
            number = self.requests
            self.requests += 1
            hit = number == self.first or (self.lasting and number > self.first)
            if self.fault is None or not hit:
                return None
            self.spoilt += 1
            return self.fault


class _Handler(BaseHTTPRequestHandler):
    front: FaultProxy
    protocol_version = "HTTP/1.1"
    body = b""

    def handle_one_request(self) -> None:
        """Tell a client that begins with TLS, as BuildKit does, that this is plain HTTP."""
        if self.rfile.peek(1)[:1] == TLS_HANDSHAKE:  # type: ignore[attr-defined]
            self.rfile.read1()
            self.wfile.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
            self.close_connection = True
        else:
            super().handle_one_request()

    def serve(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.front.next_fault()
        with suppress(ConnectionError):
            if fault is None:
                self.send(self.forward())
            else:
                fault(self)

    def do_GET(self) -> None:
        self.serve()

    def do_HEAD(self) -> None:
        self.serve()

    def do_POST(self) -> None:
        self.serve()

    def do_PUT(self) -> None:
        self.serve()

    def do_DELETE(self) -> None:
        self.serve()

    def forward(self) -> Answer:
        """Have the registry answer."""
        connection = http.client.HTTPConnection(self.front.upstream, timeout=30)
        try:
            headers = {**self.headers, "Host": self.front.address}
            connection.request(self.command, self.path, self.body or None, headers)
            response = connection.getresponse()
            kept = {k: v for k, v in response.getheaders() if k.lower() not in HOP_BY_HOP}
            answer = Answer(response.status, kept, response.read())
            if self.command == "HEAD":
                kept["X-Length"] = response.headers.get("Content-Length", "0")
            return answer
        finally:
            connection.close()

    def exists(self, path: str) -> bool:
        """Whether the registry has something there."""
        connection = http.client.HTTPConnection(self.front.upstream, timeout=30)
        try:
            connection.request("HEAD", path, headers={"Accept": ACCEPT})
            return connection.getresponse().status == 200
        finally:
            connection.close()

    def send(self, answer: Answer, *, only: int | None = None) -> None:
        """Answer; with `only`, no more bytes than these of those that were promised."""
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name != "X-Length":
                self.send_header(name, value)
        length = answer.headers.get("X-Length", str(len(answer.body)))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body if only is None else answer.body[:only])
        self._remember(answer)

    def refuse(self, status: int, headers: Mapping[str, str]) -> None:
        """Answer without asking the registry."""
        self.send(Answer(status, headers, b'{"errors": [{"code": "SPOILT", "message": "test"}]}'))

    def reset(self) -> None:
        """Break the connection off."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.close_connection = True
        self.connection.close()

    def _remember(self, answer: Answer) -> None:
        if self.command == "GET" and "/manifests/" in self.path:
            self.front.known.setdefault(self.path, answer)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


Fault = Callable[[_Handler], None]


def _reset_before(request: _Handler) -> None:
    request.reset()


def _reset_after(request: _Handler) -> None:
    request.forward()
    request.reset()


def _refusal(status: int, **headers: str) -> Fault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: request.refuse(status, named)


def _stall(request: _Handler) -> None:
    time.sleep(STALL)
    request.reset()


def _truncated(request: _Handler) -> None:
    answer = request.forward()
    request.send(answer, only=len(answer.body) // 2)
    request.close_connection = True


def _flipped_bit(request: _Handler) -> None:
    answer = request.forward()
    body = bytearray(answer.body)
    if body:
        body[len(body) // 2] ^= 1
    request.send(Answer(answer.status, answer.headers, bytes(body)))


def _false_digest(request: _Handler) -> None:
    answer = request.forward()
    digest = {"Docker-Content-Digest": f"sha256:{'0' * 64}"}
    request.send(Answer(answer.status, {**answer.headers, **digest}, answer.body))


def _stale_tag(request: _Handler) -> None:
    """Answer what this address named when it was first asked for."""
    known = request.front.known.get(request.path) if request.command == "GET" else None
    request.send(known or request.forward())


def _endless(request: _Handler) -> None:
    request.send_response(200)
    request.send_header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    request.close_connection = True
    chunk = b" " * 65536
    for sent in range(0, ENDLESS + 1, len(chunk)):
        request.front.largest = max(request.front.largest, sent)
        request.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))


def immutable_tags(request: _Handler) -> None:
    """Answer as Amazon ECR does where tags cannot be overwritten.

    After docs.aws.amazon.com, "Preventing image tags from being overwritten in Amazon ECR".
    """
    name = request.path.rpartition("/manifests/")[2]
    if request.command == "PUT" and name and ":" not in name and request.exists(request.path):
        what = {"code": "TAG_INVALID", "message": f"The image tag '{name}' is immutable."}
        request.send(Answer(400, {}, json.dumps({"errors": [what]}).encode()))
    else:
        request.send(request.forward())


FAULTS: Mapping[str, Fault] = {
    "reset before": _reset_before,
    "reset after": _reset_after,
    "401": _refusal(401),
    "403": _refusal(403),
    "404": _refusal(404),
    "405": _refusal(405),
    "429": _refusal(429, Retry_After="1"),
    "500": _refusal(500),
    "503": _refusal(503),
    "stall": _stall,
    "truncated": _truncated,
    "flipped bit": _flipped_bit,
    "false digest header": _false_digest,
    "stale tag": _stale_tag,
    "endless": _endless,
}
