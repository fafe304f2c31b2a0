"""Releases of two small services, made without a build: only their configurations differ."""

from __future__ import annotations

import http.client
import json
import secrets
from dataclasses import dataclass, field

from buildonce.refs import ImageRef, Repository, parse_digest
from tests.kit.registry_wire import OCI_MANIFEST, Images, Stored

SECOND = 1_000_000_000  # nanoseconds, as the engine counts them

PROGRAM = """
import http.server, os, signal, sys, threading, time
mode = os.environ["MODE"]
BEGAN = time.monotonic()
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health" and mode == "crash" and threading.active_count() < 3:
            threading.Timer(3, crash).start()
        late = mode == "late" and time.monotonic() - BEGAN < 2
        sick = self.path == "/health" and (mode == "sick" or late)
        self.send_response(500 if sick else 200)
        self.end_headers()
        self.wfile.write(os.environ["VERSION"].encode())
    def log_message(self, *_):
        pass
if mode == "slow":
    time.sleep(30)
print(f"{os.environ['VERSION']} starts, password", os.environ.get("PASSWORD"), flush=True)
def crash():
    print("out of luck", flush=True)
    os._exit(3)
def stop(*_):
    # a request that is on its way still finds somebody
    threading.Timer(1, lambda: os._exit(0)).start()
signal.signal(signal.SIGTERM, stop)
http.server.ThreadingHTTPServer(("", 8000), Page).serve_forever()
"""

HEALTH = """
exec 3<>/dev/tcp/127.0.0.1/8000
printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3
mapfile -t answer <&3
[[ ${answer[0]} == *" 200 "* ]]
"""
"""In bash, which starts in milliseconds: engines ask every second, of every container.

The answer is read to its end: a server whose client leaves early logs an error."""

PATIENCE = {"slow": 60, "late": 60}
"""Seconds in which being sick does not count, where two are too short."""


def health_check(mode: str) -> dict[str, object]:
    """What an image says of its health check: what is fine is asked seldom once it is up."""
    return {
        "Test": ["CMD", "bash", "-c", HEALTH],
        "Interval": (10 if mode == "fine" else 1) * SECOND,
        "Timeout": 3 * SECOND,
        "StartPeriod": PATIENCE.get(mode, 2) * SECOND,
        "StartInterval": SECOND // 4,
        "Retries": 2,
    }


@dataclass(frozen=True)
class Shop:
    """Publishes images of `web` and `jobs`, each version its own bytes, on top of `base`."""

    base: ImageRef
    namespace: str = field(default_factory=lambda: f"shop{secrets.token_hex(4)}")

    def release(self, version: str, **modes: str) -> dict[str, ImageRef]:
        """Both services in one version; `web="sick"` or `web="crash"` makes one fail.

        `web="late"` is healthy two seconds after its start.
        """
        return {
            name: self.image(name, version, modes.get(name, "fine")) for name in ("web", "jobs")
        }

    def image(self, name: str, version: str, mode: str = "fine") -> ImageRef:
        """One service's image, in the registry."""
        registry, path = self.base.repository.registry, f"{self.namespace}/{name}"
        source, target = Images(registry, self.base.repository.path), Images(registry, path)
        base = source.require(self.base.reference)
        config = source.config(self.base.reference)
        config["config"] |= {
            "Env": [*config["config"]["Env"], f"VERSION={version}", f"MODE={mode}", f"NAME={name}"],
            "Cmd": ["python3", "-c", PROGRAM],
            "Healthcheck": health_check(mode),
            "StopSignal": "SIGTERM",
        }
        for layer in base.layers:
            mount(target, layer, source.path)
        content = json.dumps(config).encode()
        document = base.document
        document["config"] |= {"digest": target.put_blob(content), "size": len(content)}
        stored = Stored(json.dumps(document).encode(), OCI_MANIFEST)
        target.put(version, stored)
        return Repository(registry, path).at(parse_digest(stored.digest))


def mount(images: Images, blob: str, source: str) -> None:
    """Have a blob of another repository in this one too."""
    connection = http.client.HTTPConnection(images.registry, timeout=30)
    connection.request("POST", f"/v2/{images.path}/blobs/uploads/?mount={blob}&from={source}")
    assert connection.getresponse().status == 201
    connection.close()
