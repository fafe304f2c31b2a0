"""A registry that misbehaves as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.e2e.wire import OCI_MANIFEST, Stored

TAGS = ["first", "second"]


@dataclass
class FakeRegistry:
    """Says that it writes, and does not."""

    address: str = ""
    wants_token: bool = False
    paged: bool = False
    stumbles: int = 0
    token_requests: list[tuple[str, str]] = field(default_factory=list)

    @property
    def manifest(self) -> Stored:
        """What is there by its digest; a tag names something older."""
        return Stored(b'{"schemaVersion": 2}', OCI_MANIFEST)

    @classmethod
    @contextmanager
    def serving(cls) -> Iterator[FakeRegistry]:
        registry = cls()

        class Handler(_Handler):
            fake = registry

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        registry.address = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield registry
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    fake: FakeRegistry

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        if url.path == "/token":
            self._give_token(query["scope"][0])
        elif self.fake.stumbles:
            self.fake.stumbles -= 1
            self._answer(503)
        elif self.fake.wants_token and self.headers.get("Authorization") != "Bearer good":
            realm = f'Bearer realm="http://{self.fake.address}/token",service="fake"'
            self._answer(401, {"WWW-Authenticate": realm})
        elif "/tags/list" in url.path:
            self._list_tags("last" in query)
        elif "/blobs/" in url.path:
            self._answer(200, body=b"other bytes")
        else:
            self._answer_manifest(url.path)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(201)

    def _give_token(self, scope: str) -> None:
        self.fake.token_requests.append((scope, self.headers.get("Authorization", "")))
        self._answer(200, body=b'{"token": "good"}')

    def _list_tags(self, rest: bool) -> None:
        tags = TAGS
        headers = {}
        if self.fake.paged:
            tags = TAGS[1:] if rest else TAGS[:1]
            headers = {} if rest else {"Link": f'<{self.path}&last=first>; rel="next"'}
        self._answer(200, headers, json.dumps({"tags": tags}).encode())

    def _answer_manifest(self, path: str) -> None:
        kept = self.fake.manifest
        by_digest = path.endswith(kept.digest)
        content = kept.content if by_digest else b'{"schemaVersion": 2, "older": true}'
        self._answer(200, {"Content-Type": kept.media_type}, content)

    def _answer(
        self, status: int, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""
