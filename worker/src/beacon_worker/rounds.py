"""The worker's rounds: probe everything that is watched, record it, wait."""

from __future__ import annotations

import asyncio
import logging
import threading

from beacon_libs.store import Store, StoreError

from beacon_worker.heartbeat import beat
from beacon_worker.probe import probe_all
from beacon_worker.settings import WorkerSettings

ROUNDS_MISSED_BEFORE_UNHEALTHY = 3

log = logging.getLogger("beacon.worker")


def run(settings: WorkerSettings, store: Store, stop: threading.Event) -> None:
    """Make one round after another until asked to stop.

    A round that the store fails gives no heartbeat, and the next one tries again.
    """
    round_seconds = settings.interval_seconds + settings.timeout_seconds
    while not stop.is_set():
        try:
            probed = make_round(settings, store)
        except StoreError as unavailable:
            log.error("round not completed: %s", unavailable)
        else:
            beat(ROUNDS_MISSED_BEFORE_UNHEALTHY * round_seconds)
            log.info("targets probed: %d", probed)
        stop.wait(settings.interval_seconds)


def make_round(settings: WorkerSettings, store: Store) -> int:
    """Probe every target once and record what was found; return how many there were."""
    targets = store.targets()
    results = asyncio.run(probe_all(targets, settings.timeout_seconds))
    store.record(results)
    return len(targets)
