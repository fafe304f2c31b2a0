"""Independent round trips at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from threading import Event
from typing import TypeVar

Key = TypeVar("Key")
Item = TypeVar("Item")
Result = TypeVar("Result")

WORKERS = 16


def run_all(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None
) -> list[Result]:
    """Return ``work`` of each item, in order; at most ``workers`` (``WORKERS``) at the same time.

    After an error or an interruption no further item is begun; those that had begun are
    finished before the first error is raised.
    """
    listed = list(items)
    if len(listed) < 2:
        return [work(item) for item in listed]
    failed = Event()

    def unless_failed(item: Item) -> Result:
        if failed.is_set():
            raise CancelledError
        try:
            return work(item)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(min(workers or WORKERS, len(listed))) as pool:
        try:
            futures = [pool.submit(unless_failed, item) for item in listed]
            wait(futures)
        except BaseException:
            failed.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    errors = [error for future in futures if (error := future.exception())]
    for error in errors:
        if not isinstance(error, CancelledError):
            raise error
    return [future.result() for future in futures]


def run_by_key(work: Callable[[Item], Result], items: Mapping[Key, Item]) -> dict[Key, Result]:
    """Return ``work`` of each value, under the value's key."""
    return dict(zip(items, run_all(work, items.values()), strict=True))
