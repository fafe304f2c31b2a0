"""The Distribution registry: its configuration, and the few requests that fill it."""

from __future__ import annotations

import base64
import ctypes
import hashlib
import http.client
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lab.errors import LabError

PROGRAM = "docker-registry"


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The name and password of a registry that asks for basic authentication."""

    username: str
    password: str

    def encode(self) -> str:
        """Both as HTTP and docker's configuration file spell them."""
        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    def htpasswd(self) -> str:
        """Both as a line of the registry's password file, which takes bcrypt alone."""
        crypt = ctypes.CDLL("libcrypt.so.1").crypt
        crypt.restype = ctypes.c_char_p
        salt = f"$2b$05${secrets.token_hex(11)}"
        hashed: bytes = crypt(self.password.encode(), salt.encode())
        return f"{self.username}:{hashed.decode()}\n"


@dataclass(frozen=True)
class Client:
    """The registry at `address` (HOST:PORT), spoken to over plain HTTP."""

    address: str
    credentials: Credentials | None = None

    def answers(self) -> bool:
        """Whether a registry answers there and takes these credentials."""
        try:
            return self._request("GET", "/v2/")[0] == 200
        except OSError:
            return False

    def has(self, repository: str, digest: str, media_type: str) -> bool:
        """Whether the manifest `digest` is in `repository`."""
        path = f"/v2/{repository}/manifests/{digest}"
        try:
            return self._request("HEAD", path, headers={"Accept": media_type})[0] == 200
        except OSError:
            return False

    def push_blob(self, repository: str, path: Path) -> None:
        """Upload the file's bytes under their digest, unless they are there already.

        Raises:
            LabError: the registry did not take them.
        """
        digest = digest_of(path)
        if self._request("HEAD", f"/v2/{repository}/blobs/{digest}")[0] == 200:
            return
        upload = self._expect(202, "POST", f"/v2/{repository}/blobs/uploads/")
        target = urlsplit(upload["location"])
        query = f"{target.query}&digest={digest}".lstrip("&")
        self._expect(201, "PUT", f"{target.path}?{query}", body=path.read_bytes())

    def push_manifest(self, repository: str, tag: str, media_type: str, content: bytes) -> None:
        """Upload `content` as the manifest `tag`.

        Raises:
            LabError: the registry did not take it.
        """
        headers = {"Content-Type": media_type}
        self._expect(201, "PUT", f"/v2/{repository}/manifests/{tag}", body=content, headers=headers)

    def _expect(
        self,
        status: int,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> dict[str, str]:
        answered, received, content = self._request(method, path, body=body, headers=headers)
        if answered != status:
            said = content.decode(errors="replace")[:300]
            raise LabError(
                f"the registry at {self.address} answered {method} {path} with {answered}, "
                f"not {status}: {said}; see `inv lab.status`"
            )
        return received

    def _request(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        sent = {"Content-Type": "application/octet-stream", **(headers or {})}
        if self.credentials:
            sent["Authorization"] = f"Basic {self.credentials.encode()}"
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return response.status, received, response.read()
        finally:
            connection.close()


def digest_of(path: Path) -> str:
    """The digest of a file's bytes."""
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            hashed.update(chunk)
    return f"sha256:{hashed.hexdigest()}"


def configuration(*, address: str, storage: Path, htpasswd: Path | None) -> str:
    """The registry's configuration file (JSON, which is YAML too)."""
    settings: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(storage)},
            "delete": {"enabled": True},
        },
        "http": {"addr": address, "secret": "one process needs no shared secret"},
    }
    if htpasswd:
        settings["auth"] = {"htpasswd": {"realm": "lab", "path": str(htpasswd)}}
    return json.dumps(settings, indent=2)
