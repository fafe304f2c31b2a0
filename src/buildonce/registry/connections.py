"""HTTP connections, straight or through the proxy that the environment names."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from buildonce.errors import UsageError
from buildonce.registry.trust import trust

if TYPE_CHECKING:
    from typing_extensions import Self

Notice = Callable[[int, float], None]
"""Hears the status and the seconds of an answer that asks to be waited for."""

LARGEST = 16 * 1024 * 1024
"""Bytes of an answer. Manifests are at most 4 MiB (OCI distribution specification, "Pushing
manifests"), configurations and tokens smaller still; layers go into files."""

LONGEST = 120.0
"""Seconds in which an answer must have come, however slowly it trickles."""

PATIENCE = 20.0
"""Seconds that one ``Retry-After`` is waited for at most."""

_BACKOFF = 0.2  # seconds before the second attempt, doubled for each after it
_CHUNK = 64 * 1024
_READS = 3
_READING = ("GET", "HEAD")
_LOOPBACK = re.compile(r"(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?")
_TIMEOUT = urllib3.Timeout(connect=5.0, read=60.0)


class _Retries(urllib3.Retry):
    """Waits as long as a server asks for, within bounds, and says so."""

    def __init__(self, *, notice: Notice | None, **settings: Any) -> None:
        super().__init__(**settings)
        self._notice = notice

    def new(self, **settings: Any) -> Self:
        """Return a copy with other settings (urllib3 makes one for each attempt)."""
        return super().new(notice=self._notice, **settings)

    def get_retry_after(self, response: urllib3.BaseHTTPResponse) -> float | None:
        """Return the seconds that an answer asks to wait, at most ``PATIENCE``."""
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, PATIENCE)

    def sleep_for_retry(self, response: urllib3.BaseHTTPResponse) -> bool:
        """Wait if an answer asks for it."""
        seconds = self.get_retry_after(response)
        if seconds and self._notice:
            self._notice(response.status, seconds)
        return super().sleep_for_retry(response)


def _retries(notice: Notice | None) -> _Retries:
    return _Retries(
        notice=notice,
        total=4,
        backoff_factor=_BACKOFF,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None,
        raise_on_status=False,
    )


@dataclass(frozen=True)
class Answer:
    """What was answered, wholly read; ``url`` is who answered, after redirects."""

    status: int
    headers: Mapping[str, str]
    data: bytes
    url: str


class Connections:
    """Sends requests, with retries. Safe to use from several threads."""

    def __init__(self, notice: Notice | None = None) -> None:
        """``notice`` hears of each time that a server asks to be waited for, and how long."""
        self._retries = _retries(notice)
        self._pools: dict[tuple[str | None, str], urllib3.PoolManager] = {}

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | BinaryIO | None,
        into: BinaryIO | None = None,
    ) -> Answer:
        """Send a request and return the answer; one that breaks off is asked for again.

        What a 200 brings is written ``into`` a file, if there is one: it may be of any size.

        Only what reads follows redirects: a body, and the right to send it, is for one place.

        Raises:
            urllib3.exceptions.HTTPError: there was none, or more than anybody would answer.
            UsageError: the proxy cannot be one, or certificates cannot be read.
        """
        for _ in range(_READS - 1 if method in _READING else 0):
            with suppress(urllib3.exceptions.ProtocolError, urllib3.exceptions.ReadTimeoutError):
                return self._once(method, url, headers, body, into)
        return self._once(method, url, headers, body, into)

    def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | BinaryIO | None,
        into: BinaryIO | None,
    ) -> Answer:
        response = self._pool(url).request(
            method, url, headers=headers, body=body, preload_content=False,
            redirect=method in _READING,
        )  # fmt: skip
        answered_by = _after_redirects(url, response)
        if into is not None and response.status == 200:
            _save(response, into)
            return Answer(response.status, response.headers, b"", answered_by)
        return Answer(response.status, response.headers, _content(response), answered_by)

    def _pool(self, url: str) -> urllib3.PoolManager:
        address = urlsplit(url)
        host = address.netloc.rpartition("@")[2] if address.scheme == "https" else ""
        key = proxy_for(url), host
        if key not in self._pools:
            self._pools.setdefault(key, _pool(*key, self._retries))
        return self._pools[key]


def _after_redirects(url: str, response: urllib3.BaseHTTPResponse) -> str:
    """Return the whole address that answered: urllib3 itself knows its path alone."""
    for step in response.retries.history if response.retries else ():
        url = urljoin(url, step.redirect_location or "")
    return url


def _save(response: urllib3.BaseHTTPResponse, file: BinaryIO) -> None:
    """Write an answer into a file, from its beginning; its bytes are not decoded."""
    file.seek(0)
    file.truncate()
    try:
        file.writelines(response.stream(_CHUNK, decode_content=False))
    except BaseException:
        response.close()
        raise
    response.release_conn()


def _content(response: urllib3.BaseHTTPResponse) -> bytes:
    deadline = time.monotonic() + LONGEST
    content = bytearray()
    try:
        for chunk in response.stream(_CHUNK):
            content += chunk
            if len(content) > LARGEST:
                raise urllib3.exceptions.HTTPError(f"it answered more than {LARGEST} bytes")
            if time.monotonic() > deadline:
                raise urllib3.exceptions.HTTPError(f"it still answered after {LONGEST:.0f} s")
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return bytes(content)


def is_loopback(host: str) -> bool:
    """Tell whether a host (with its port, if any) is this machine."""
    return bool(_LOOPBACK.fullmatch(host))


def proxy_for(url: str) -> str | None:
    """Return the proxy for an address, from ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY``.

    This machine itself is never asked for through a proxy.
    """
    address = urlsplit(url)
    host = address.netloc.rpartition("@")[2]
    if is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    proxy = proxies.get(address.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy or None


def _pool(proxy: str | None, host: str, retries: urllib3.Retry) -> urllib3.PoolManager:
    context = trust(host) if host else None
    if proxy is None:
        return urllib3.PoolManager(
            maxsize=16, retries=retries, timeout=_TIMEOUT, ssl_context=context
        )
    try:
        user = unquote(urlsplit(proxy).netloc.rpartition("@")[0])
        headers = urllib3.make_headers(proxy_basic_auth=user) if user else {}
        return urllib3.ProxyManager(
            proxy, proxy_headers=headers, maxsize=16, retries=retries, timeout=_TIMEOUT,
            ssl_context=context,
        )  # fmt: skip
    except (ValueError, urllib3.exceptions.HTTPError):
        raise UsageError(
            "the proxy that the environment names is no http:// or https:// address "
            "(it is not shown: it may hold a password)",
            hint="look at HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, also in lower case; special "
            "characters of a password are written as %XX",
        ) from None
