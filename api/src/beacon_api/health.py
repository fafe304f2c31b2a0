"""The container's health check: `python -m beacon_api.health`.

It runs every few seconds, so it imports nothing but the standard library.
"""

import os
import sys
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 5


def main() -> None:
    """Exit 0 where the api of this container says that it is well, else 1 with the reason."""
    url = f"http://127.0.0.1:{os.environ.get('BEACON_LISTEN_PORT', '8000')}/healthz"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        direct.open(url, timeout=TIMEOUT_SECONDS).close()
    except urllib.error.HTTPError as refusal:
        sys.exit(f"unhealthy: {url} answered {refusal.code}: {refusal.read().decode()}")
    except OSError as error:
        sys.exit(f"unhealthy: {url} does not answer: {error}")


if __name__ == "__main__":
    main()
