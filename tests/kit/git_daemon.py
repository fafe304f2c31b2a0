"""Git's own daemon, which lets anybody read and push."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.kit.connection_proxy import cut
from tests.kit.waiting import wait_for

LOOPBACK = "127.0.0.1"


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve the repositories below a folder; give the daemon's `tcp://` address."""
    with closing(socket.create_server((LOOPBACK, 0))) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            *("git", "daemon", "--export-all", "--enable=receive-pack", "--reuseaddr"),
            *(f"--base-path={folder}", f"--listen={LOOPBACK}", f"--port={port}", str(folder)),
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: _answers(port), "git daemon answers")
        yield f"tcp://{LOOPBACK}:{port}"
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    with closing(socket.socket()) as client:
        return client.connect_ex((LOOPBACK, port)) == 0


def refuse(client: socket.socket, piece: bytes) -> None:
    """Answer what the daemon answers to whoever it does not serve."""
    said = b"ERR access denied"
    client.sendall(b"%04x%s" % (len(said) + 4, said))
    cut(client, piece)
