"""A server whose every answer a test writes, for what registries say in HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from buildonce.refs import ImageRef, Repository


@dataclass
class Server:
    """A server that was asked: ``seen`` are method, path and authorization."""

    answer: Callable[[BaseHTTPRequestHandler], None]
    address: str = ""
    seen: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def tag(self) -> ImageRef:
        return Repository(self.address, "shop/web").tag("staging")


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[Server]:
    server = Server(answer)

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            server.seen.append((self.command, self.path, self.headers.get("Authorization", "")))
            server.answer(self)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _any  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.address = f"127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


def say(
    handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", length: int | None = None,
    **headers: str,
) -> None:  # fmt: skip
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)
