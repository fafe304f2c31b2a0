"""A proxy between docker clients and a real engine, which spoils the answers it is told to."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field

STALL = 3.0
"""Seconds that an answer is held up."""

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s: closing sends a reset
CHUNK = 65536


@dataclass
class EngineProxy:
    """Counts what comes from the engine, and spoils number `first` and, if `lasting`, all after.

    A new connection counts as well as each piece of an answer: the one is before the engine has
    heard anything, the other after it has acted.
    """

    upstream: str
    address: str = ""
    fault: Fault | None = None
    first: int = 0
    lasting: bool = False
    events: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    @contextmanager
    def before(cls, upstream: str) -> Iterator[EngineProxy]:
        """Listen, in front of an engine's `tcp://` or `unix://` address."""
        with closing(socket.create_server(("127.0.0.1", 0))) as server:
            proxy = cls(upstream, f"tcp://127.0.0.1:{server.getsockname()[1]}")
            thread = threading.Thread(target=proxy._accept, args=(server,))
            thread.start()
            yield proxy
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join()

    @contextmanager
    def spoiling(self, fault: Fault | None, first: int = 0, *, lasting: bool) -> Iterator[None]:
        """Count from 0, and spoil in the block."""
        self.fault, self.first, self.lasting, self.events = fault, first, lasting, 0
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
        with client, suppress(OSError), self._dial() as engine:
            self._let_pass(client)
            asking = threading.Thread(target=_pump, args=(client, engine, _nothing), daemon=True)
            asking.start()
            _pump(engine, client, self._let_pass)
            asking.join()

    def _dial(self) -> socket.socket:
        kind, _, place = self.upstream.partition("://")
        if kind == "tcp":
            host, _, port = place.rpartition(":")
            return socket.create_connection((host, int(port)))
        engine = socket.socket(socket.AF_UNIX)
        engine.connect(place)
        return engine

    def _let_pass(self, client: socket.socket) -> None:
        with self._lock:
            number = self.events
            self.events += 1
            hit = number == self.first or (self.lasting and number > self.first)
            fault = self.fault if hit else None
        if fault:
            fault(client)


def _pump(source: socket.socket, target: socket.socket, before: Fault) -> None:
    with suppress(OSError):
        while piece := source.recv(CHUNK):
            before(target)
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _nothing(_client: socket.socket) -> None:
    """Let what a client asks pass."""


def _reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    _cut(client)


def _cut(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_RDWR)
    client.close()
    raise ConnectionAbortedError("spoilt")


def _stall(_client: socket.socket) -> None:
    time.sleep(STALL)


Fault = Callable[[socket.socket], None]

FAULTS: dict[str, Fault] = {"reset": _reset, "cut": _cut, "stall": _stall}
"""Connections reset or ended in the middle, answers that come late."""
