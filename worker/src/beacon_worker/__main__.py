"""Run the worker: `python -m beacon_worker`."""

import logging
import signal
import threading

from beacon_libs import logs
from beacon_libs.settings import load
from beacon_libs.store import Store

from beacon_worker.rounds import run
from beacon_worker.settings import WorkerSettings

log = logging.getLogger("beacon.worker")


def main() -> None:
    """Probe until a signal asks to stop, then finish the round."""
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    logs.configure()
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    settings = load(WorkerSettings)
    log.info("worker at revision %s", settings.revision)
    store = Store(settings)
    run(settings, store, stop)
    store.close()
    log.info("stopped")


if __name__ == "__main__":
    main()
