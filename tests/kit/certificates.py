"""A certificate authority of a test's own, and a server that has a certificate of it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


@dataclass(frozen=True)
class Certificates:
    """Files in PEM: the authority, and a server's certificate with its key."""

    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def server(self) -> Path:
        return self.folder / "server.pem"

    @property
    def key(self) -> Path:
        return self.folder / "server.key"


def issue(folder: Path, address: str) -> Certificates:
    """Make an authority, and a certificate for a server at an IP address."""
    made = Certificates(folder)
    authority_key = str(folder / "ca.key")
    _openssl("-keyout", authority_key, "-out", str(made.authority), "-subj", "/CN=A test's own CA")
    _openssl(
        *("-keyout", str(made.key), "-out", str(made.server), "-subj", "/CN=registry"),
        *("-addext", f"subjectAltName=IP:{address}", "-addext", "basicConstraints=CA:FALSE"),
        *("-CA", str(made.authority), "-CAkey", authority_key),
    )
    return made


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", "req", "-x509", *_KEY, *arguments], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
