"""HTTP connections, straight or through the proxy that the environment names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from buildonce.errors import UsageError

_LOOPBACK = re.compile(r"(?:localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?")
_RETRIES = urllib3.Retry(
    total=4,
    backoff_factor=0.2,
    status_forcelist=(429, 500, 502, 503, 504),
    allowed_methods=None,
    raise_on_status=False,
)
_TIMEOUT = urllib3.Timeout(connect=5.0, read=60.0)


class Connections:
    """Sends requests, with retries. Safe to use from several threads."""

    def __init__(self) -> None:
        self._pools: dict[str | None, urllib3.PoolManager] = {}

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> urllib3.BaseHTTPResponse:
        """Send a request and return the answer.

        Raises:
            urllib3.exceptions.HTTPError: there was none.
            UsageError: the proxy cannot be one.
        """
        proxy = proxy_for(url)
        if proxy not in self._pools:
            self._pools.setdefault(proxy, _pool(proxy))
        return self._pools[proxy].request(method, url, headers=headers, body=body)


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


def _pool(proxy: str | None) -> urllib3.PoolManager:
    if proxy is None:
        return urllib3.PoolManager(maxsize=16, retries=_RETRIES, timeout=_TIMEOUT)
    try:
        user = unquote(urlsplit(proxy).netloc.rpartition("@")[0])
        headers = urllib3.make_headers(proxy_basic_auth=user) if user else {}
        return urllib3.ProxyManager(
            proxy, proxy_headers=headers, maxsize=16, retries=_RETRIES, timeout=_TIMEOUT
        )
    except (ValueError, urllib3.exceptions.HTTPError):
        raise UsageError(
            "the proxy that the environment names is no http:// or https:// address "
            "(it is not shown: it may hold a password)",
            hint="look at HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, also in lower case; special "
            "characters of a password are written as %XX",
        ) from None
