"""The few requests that the lab makes to the cluster's API."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError

from .certificates import AUTHORITY, Authority

PORT = 6443


@dataclass(frozen=True)
class Api:
    """The API server at `address`, asked as the cluster's administrator."""

    address: str
    authority: Authority
    user: str

    def ready(self) -> bool:
        """Whether it takes requests."""
        try:
            return self._request("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def get(self, path: str) -> Any:
        """An object; None where there is none, or nobody answers."""
        try:
            status, content = self._request("GET", path)
        except (OSError, http.client.HTTPException):
            return None
        return json.loads(content) if status == 200 else None

    def create(self, path: str, body: object) -> None:
        """Make an object, unless it exists.

        Raises:
            LabError: the API refused it.
        """
        status, content = self._request("POST", path, json.dumps(body))
        if status not in (201, 409):
            told = content.decode(errors="replace")[:300]
            raise LabError(f"the cluster's API answered POST {path} with {status}: {told}")

    def _request(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        trusted = ssl.create_default_context(cafile=str(self.authority.certificate(AUTHORITY)))
        certificate, key = self.authority.certificate(self.user), self.authority.key(self.user)
        trusted.load_cert_chain(certificate, key)
        connection = http.client.HTTPSConnection(self.address, PORT, timeout=5, context=trusted)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
