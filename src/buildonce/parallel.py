"""Independent round trips at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Key = TypeVar("Key")
Item = TypeVar("Item")
Result = TypeVar("Result")

WORKERS = 16


def run_all(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return ``work`` of each item, in order; all are finished before the first error is raised.

    Interrupted, it begins no more of them.
    """
    listed = list(items)
    if len(listed) < 2:
        return [work(item) for item in listed]
    with ThreadPoolExecutor(min(WORKERS, len(listed))) as pool:
        futures = [pool.submit(work, item) for item in listed]
        try:
            wait(futures)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [future.result() for future in futures]


def run_by_key(work: Callable[[Item], Result], items: Mapping[Key, Item]) -> dict[Key, Result]:
    """Return ``work`` of each value, under the value's key."""
    return dict(zip(items, run_all(work, items.values()), strict=True))
