"""A stand-in for GitHub's API of deployments: it keeps what it is sent, and answers as told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Sent:
    """One request: its path, its token and its fields."""

    path: str
    authorization: str
    fields: Mapping[str, Any]


@dataclass
class FakeGitHub:
    """Its real counterpart cannot be had in a test: it needs a repository and a token."""

    status: int = 201
    address: str = ""
    sent: list[Sent] = field(default_factory=list)

    def environ(self) -> dict[str, str]:
        """What a job of the repository has."""
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.address,
            "GITHUB_REPOSITORY": "acme/shop",
            "GITHUB_RUN_ID": "7",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_TOKEN": "secret",
        }

    @classmethod
    @contextmanager
    def serving(cls) -> Iterator[FakeGitHub]:
        fake = cls()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sent = Sent(self.path, self.headers["Authorization"], json.loads(body))
                fake.sent.append(sent)
                answer = json.dumps({"id": len(fake.sent)}).encode()
                self.send_response(fake.status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_words: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        fake.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
