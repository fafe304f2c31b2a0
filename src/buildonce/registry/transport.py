"""HTTP to a registry: connections, retries and authorisation."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import BinaryIO
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.connection import port_by_scheme

from buildonce.errors import UnavailableError
from buildonce.refs import DOCKER_HUB, without_users
from buildonce.registry.connections import Answer, Connections, is_loopback
from buildonce.registry.credentials import Credentials, find_credentials


class DeniedError(UnavailableError):
    """The registry answers and does not let us: 401 or 403."""


class _Waits:
    """Says that a registry asks to be waited for, once for all requests that wait together."""

    def __init__(self, registry: str, notice: Callable[[str], None]) -> None:
        self._registry, self._notice = registry, notice
        self._until = 0.0
        self._lock = threading.Lock()

    def __call__(self, status: int, seconds: float) -> None:
        now = time.monotonic()
        with self._lock:
            known = now < self._until
            self._until = max(self._until, now + seconds)
        if not known:
            self._notice(f"the registry {self._registry} asks to wait {seconds:.0f} s ({status})")


class Transport:
    """Sends requests to one registry, with the credentials that ``docker login`` stored.

    Authorisation follows the distribution project's token specification
    (distribution.github.io, "Token authentication"): asked for when the registry says so,
    one token for each scope. Safe to use from several threads. ``sent`` counts the requests.
    """

    def __init__(
        self, registry: str, *, insecure: bool = False, notice: Callable[[str], None] | None = None
    ) -> None:
        plain = insecure or is_loopback(registry)
        host = "registry-1.docker.io" if registry == DOCKER_HUB else registry
        self.registry = registry
        self.sent = 0
        self._base = f"{'http' if plain else 'https'}://{host}"
        self._connections = Connections(_Waits(registry, notice) if notice else None)
        self._authorizations: dict[str, str] = {}
        self._lock = threading.Lock()
        self._counting = threading.Lock()

    def send(
        self,
        method: str,
        path: str,
        *,
        scope: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | BinaryIO | None = None,
        into: BinaryIO | None = None,
    ) -> Answer:
        """Send one request; ``path`` begins with ``/v2/``, or is an upload's whole address.

        What answers it well is written ``into`` a file, if there is one.

        Raises:
            UnavailableError: no answer after retries, or the registry refuses us.
        """
        response = self._once(method, path, headers, body, self._authorizations.get(scope), into)
        if response.status == 401 and self._is_own(response.url):
            with self._lock:
                authorization = self._authorize(response.headers.get("WWW-Authenticate", ""), scope)
                self._authorizations[scope] = authorization
            response = self._once(method, path, headers, body, authorization, into)
        if response.status in (401, 403):
            raise self._refused(method, path, response.status)
        return response

    def _once(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None,
        body: bytes | BinaryIO | None,
        authorization: str | None,
        into: BinaryIO | None = None,
    ) -> Answer:
        with self._counting:
            self.sent += 1
        url = path if "://" in path else self._base + path
        sent = dict(headers or {})
        try:
            if authorization and self._is_own(url):
                sent["Authorization"] = authorization
            return self._connections.request(method, url, sent, body, into)
        except urllib3.exceptions.HTTPError as error:
            raise UnavailableError(
                f"the registry {self.registry} did not answer: {_reason(error)}",
                hint="inv doctor",
            ) from None

    def _authorize(self, challenge: str, scope: str) -> str:
        credentials = find_credentials(self.registry)
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic" and credentials:
            return _basic(credentials)
        if scheme.lower() == "bearer":
            return f"Bearer {self._token(_parameters(rest), scope, credentials)}"
        raise UnavailableError(
            f"the registry {self.registry} asks for credentials and there are none",
            hint=f"docker login {self.registry}",
        )

    def _token(
        self, challenge: Mapping[str, str], scope: str, credentials: Credentials | None
    ) -> str:
        query = {"service": challenge.get("service", ""), "scope": challenge.get("scope") or scope}
        realm = challenge.get("realm", "")
        if "://" not in realm:
            raise self._no_token("names no token endpoint")
        if credentials and self._base.startswith("https:") and not realm.startswith("https:"):
            raise self._no_token("has a token endpoint without TLS")
        if credentials and credentials.identity:
            form = {"grant_type": "refresh_token", "client_id": "buildonce"}
            fields = {**form, **query, "refresh_token": credentials.secret}
            answer = self._once("POST", realm, _FORM, urlencode(fields).encode(), None)
        else:
            headers = {"Authorization": _basic(credentials)} if credentials else {}
            answer = self._once("GET", f"{realm}?{urlencode(query)}", headers, None, None)
        if answer.status != 200:
            raise self._refused("GET", "a token", answer.status)
        try:
            body = json.loads(answer.data)
            return str(body.get("token") or body["access_token"])
        except (ValueError, KeyError, AttributeError):
            raise self._no_token(f"got none from {urlsplit(realm).netloc}") from None

    def _is_own(self, url: str) -> bool:
        """Tell whether an address is the registry's own: no other gets credentials."""
        return _origin(url) == _origin(self._base)

    def _no_token(self, why: str) -> UnavailableError:
        return UnavailableError(
            f"the registry {self.registry} asks for a token, and {why}",
            hint="a proxy or a login page may answer in its place: inv doctor",
        )

    def _refused(self, method: str, path: str, status: int) -> DeniedError:
        place = path.partition("?")[0]
        return DeniedError(
            f"the registry {self.registry} refused {method} {place} ({status})",
            hint=f"docker login {self.registry}   (with an account that may do this)",
        )


_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def _basic(credentials: Credentials) -> str:
    pair = f"{credentials.user}:{credentials.secret}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def _parameters(challenge: str) -> dict[str, str]:
    return dict(re.findall(r'([a-z_]+)="([^"]*)"', challenge))


def _origin(url: str) -> tuple[str | None, str | None, int | None]:
    address = urllib3.util.parse_url(url)
    port = address.port or port_by_scheme.get(address.scheme or "")
    return address.scheme, address.host, port


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    cause = getattr(error, "reason", None) or error
    text = without_users(str(cause))
    return text.rpartition(": ")[2] or type(cause).__name__
