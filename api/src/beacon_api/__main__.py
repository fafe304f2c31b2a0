"""Run the api: `python -m beacon_api`."""

import logging
import signal
import sys

import uvicorn
from beacon_libs import logs
from beacon_libs.settings import load
from beacon_libs.store import Store

from beacon_api.app import SERVICE, create_app
from beacon_api.settings import ApiSettings

FINISH_REQUESTS_WITHIN_SECONDS = 8

log = logging.getLogger("beacon.api")


def main() -> None:
    """Serve until a signal asks to stop, then finish the open requests."""
    # Once it has stopped, uvicorn raises the signal again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    logs.configure()
    logging.getLogger("uvicorn.access").addFilter(is_no_health_check)
    settings = load(ApiSettings)
    log.info("%s at revision %s", SERVICE, settings.revision)
    uvicorn.run(
        create_app(Store(settings), settings.revision),
        host=settings.listen_host,
        port=settings.listen_port,
        log_config=None,
        timeout_graceful_shutdown=FINISH_REQUESTS_WITHIN_SECONDS,
    )


def is_no_health_check(record: logging.LogRecord) -> bool:
    """Keep the health checks, one every few seconds, out of the log."""
    return "/healthz" not in record.getMessage()


if __name__ == "__main__":
    main()
