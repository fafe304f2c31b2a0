"""A registry that misbehaves as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.kit.registry_wire import OCI_MANIFEST, Stored


@dataclass
class FakeRegistry:
    """Says that it writes, and does not."""

    address: str = ""
    wants_token: bool = False
    challenged_scope: str = ""
    token_answer: bytes = b'{"token": "good"}'
    stumbles: int = 0
    deletions: list[int] = field(default_factory=list)
    upload_address: str = ""
    repositories: list[str] | None = None
    token_requests: list[tuple[str, str]] = field(default_factory=list)
    written: list[bytes] = field(default_factory=list)
    proxied: list[tuple[str, str]] = field(default_factory=list)

    @property
    def manifest(self) -> Stored:
        """What is there by its digest; a tag names something older."""
        return Stored(b'{"schemaVersion": 2}', OCI_MANIFEST)

    @property
    def older(self) -> Stored:
        """What every tag names."""
        return Stored(b'{"schemaVersion": 2, "older": true}', OCI_MANIFEST)

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
        if url.netloc:
            told = self.headers.get("Proxy-Authorization", "")
            self.fake.proxied.append((self.path, told))
        if url.path == "/token":
            self._give_token(parse_qs(url.query)["scope"][0])
        elif self.fake.stumbles:
            self.fake.stumbles -= 1
            self._answer(503)
        elif self.fake.wants_token and self.headers.get("Authorization") != "Bearer good":
            self._answer(401, {"WWW-Authenticate": self._challenge()})
        elif "/blobs/" in url.path:
            self._answer(200, body=b"other bytes")
        else:
            self._answer_manifest(url.path)

    def do_HEAD(self) -> None:
        self._answer(200)

    def do_POST(self) -> None:
        if self.fake.repositories is not None and not self._is_created():
            self._answer(404, body=b'{"errors":[{"code":"NAME_UNKNOWN"}]}')
            return
        self._answer(
            202, {"Location": self.fake.upload_address} if self.fake.upload_address else {}
        )

    def do_PUT(self) -> None:
        self.fake.written.append(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(201)

    def do_DELETE(self) -> None:
        self._answer(self.fake.deletions.pop(0))

    def _is_created(self) -> bool:
        return any(self.path.startswith(f"/v2/{name}/") for name in self.fake.repositories or ())

    def _challenge(self) -> str:
        scope = f',scope="{self.fake.challenged_scope}"' if self.fake.challenged_scope else ""
        return f'Bearer realm="http://{self.fake.address}/token",service="fake"{scope}'

    def _give_token(self, scope: str) -> None:
        self.fake.token_requests.append((scope, self.headers.get("Authorization", "")))
        self._answer(200, body=self.fake.token_answer)

    def _answer_manifest(self, path: str) -> None:
        kept = self.fake.manifest
        found = kept if path.endswith(kept.digest) else self.fake.older
        self._answer(200, {"Content-Type": found.media_type}, found.content)

    def _answer(
        self, status: int, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""
