"""The cluster's own certificates: one authority, and everybody who shows who they are."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab.shell import run

DAYS = "30"
CURVE = "prime256v1"
AUTHORITY = "ca"
SERVICE_ACCOUNTS = "sa"
"""The name of the key that signs the tokens of service accounts."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Somebody with a certificate: `user` in `group`, answering at `addresses` if a server."""

    name: str
    user: str
    group: str = ""
    addresses: Sequence[str] = ()


@dataclass(frozen=True)
class Authority:
    """The certificates and keys in `folder`."""

    folder: Path

    def certificate(self, name: str) -> Path:
        """The file of a certificate."""
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        """The file of a private key."""
        return self.folder / f"{name}.key"

    def ensure(self, identities: Sequence[Identity]) -> None:
        """Have the authority, the service accounts' key and everybody's certificate.

        Raises:
            LabError: openssl failed.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.certificate(AUTHORITY).exists():
            self._request(AUTHORITY, "/CN=lab", "-x509", "-days", DAYS)
        if not self.key(SERVICE_ACCOUNTS).exists():
            key = ["openssl", "ecparam", "-genkey", "-noout", "-name", CURVE]
            run([*key, "-out", str(self.key(SERVICE_ACCOUNTS))])
        missing = [one for one in identities if not self.certificate(one.name).exists()]
        with ThreadPoolExecutor() as together:
            list(together.map(self._issue, missing))

    def _issue(self, identity: Identity) -> None:
        group = f"/O={identity.group}" if identity.group else ""
        names = ["-addext", f"subjectAltName={','.join(identity.addresses)}"]
        signed = ["-CA", str(self.certificate(AUTHORITY)), "-CAkey", str(self.key(AUTHORITY))]
        self._request(
            identity.name,
            f"{group}/CN={identity.user}",
            *("-x509", "-days", DAYS, *signed),
            *(names if identity.addresses else ()),
            *("-addext", "basicConstraints=critical,CA:FALSE"),
        )

    def _request(self, name: str, subject: str, *options: str) -> None:
        files = ["-keyout", str(self.key(name)), "-out", str(self.certificate(name))]
        key = ["-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{CURVE}", "-nodes"]
        run(["openssl", "req", *key, "-subj", subject, *files, *options])
