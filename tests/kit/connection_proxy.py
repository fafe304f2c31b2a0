"""A proxy before a real engine or git daemon, which spoils the answers that it is told to."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

STALL = 3.0
"""Seconds that an answer is held up."""

LATE = 0.1
"""Seconds that a slow answer takes."""

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s: closing sends a reset
CHUNK = 65536


@dataclass
class ConnectionProxy:
    """Counts what comes from the server, and spoils number `first` and, if `lasting`, all after.

    A new connection counts as well as each piece of an answer: the one is before the server has
    heard anything, the other after it has acted. With `whole`, an answer counts once, however
    many pieces it comes in.
    """

    upstream: str
    address: str = ""
    whole: bool = False
    fault: Fault | None = None
    first: int = 0
    lasting: bool = False
    events: int = 0
    spoilt: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    @contextmanager
    def before(cls, upstream: str, *, whole: bool = False) -> Iterator[ConnectionProxy]:
        """Listen, in front of a server's `tcp://` or `unix://` address."""
        with closing(socket.create_server(("127.0.0.1", 0))) as server:
            proxy = cls(upstream, f"tcp://127.0.0.1:{server.getsockname()[1]}", whole)
            thread = threading.Thread(target=proxy._accept, args=(server,))
            thread.start()
            yield proxy
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join()

    @contextmanager
    def spoiling(self, fault: Fault | None, first: int = 0, *, lasting: bool) -> Iterator[None]:
        """Count from 0, and spoil in the block."""
        self.fault, self.first, self.lasting = fault, first, lasting
        self.events, self.spoilt = 0, False
        try:
            yield
        finally:
            self.fault = None

    def _accept(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), self._dial() as server:
            self._let_pass(client, b"")
            asked = threading.Event()
            ask = partial(_pump, client, server, lambda *_: asked.set())
            asking = threading.Thread(target=ask, daemon=True)
            asking.start()
            _pump(server, client, partial(self._answer, asked))
            asking.join()

    def _dial(self) -> socket.socket:
        kind, _, place = self.upstream.partition("://")
        if kind == "tcp":
            host, _, port = place.rpartition(":")
            return socket.create_connection((host, int(port)))
        server = socket.socket(socket.AF_UNIX)
        server.connect(place)
        return server

    def _answer(self, asked: threading.Event, client: socket.socket, piece: bytes) -> None:
        if asked.is_set() or not self.whole:
            asked.clear()
            self._let_pass(client, piece)

    def _let_pass(self, client: socket.socket, piece: bytes) -> None:
        with self._lock:
            number = self.events
            self.events += 1
            hit = number == self.first or (self.lasting and number > self.first)
            fault = self.fault if hit else None
            self.spoilt |= fault is not None
        if fault:
            fault(client, piece)


def _pump(source: socket.socket, target: socket.socket, before: Fault) -> None:
    with suppress(OSError):
        while piece := source.recv(CHUNK):
            before(target, piece)
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _reset(client: socket.socket, piece: bytes) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    cut(client, piece)


def cut(client: socket.socket, _piece: bytes) -> None:
    """End the connection before a piece."""
    client.shutdown(socket.SHUT_RDWR)
    client.close()
    raise ConnectionAbortedError("spoilt")


def _stall(_client: socket.socket, _piece: bytes) -> None:
    time.sleep(STALL)


def late(_client: socket.socket, _piece: bytes) -> None:
    """Let a piece wait for a moment."""
    time.sleep(LATE)


def halve(client: socket.socket, piece: bytes) -> None:
    """End the connection in the middle of a piece."""
    client.sendall(piece[: len(piece) // 2])
    cut(client, piece)


Fault = Callable[[socket.socket, bytes], None]

FAULTS: dict[str, Fault] = {"reset": _reset, "cut": cut, "stall": _stall}
"""Connections reset or ended in the middle, answers that come late."""
