"""Work at the same time: all of it, in order, or no more of it once interrupted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import NoReturn

import pytest

from buildonce import parallel


def test_results_come_in_the_items_order() -> None:
    """Whichever is done first, the first item's result is the first."""
    second_done = Event()

    def work(item: str) -> str:
        if item == "first":
            assert second_done.wait(10)
        else:
            second_done.set()
        return item

    assert parallel.run_all(work, ["first", "second"]) == ["first", "second"]


def test_after_an_error_nothing_more_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for its turn when one fails is never begun, and the error is that one's."""
    monkeypatch.setattr(parallel, "WORKERS", 1)
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        if item == 1:
            raise ValueError(item)

    with pytest.raises(ValueError, match="1"):
        parallel.run_all(work, range(4))
    assert begun == [0, 1]


def test_an_interruption_begins_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends what is under way; what waits for its turn is never begun."""
    begun: list[int] = []
    stopping = Event()

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            stopping.set()
            super().shutdown(wait)

    def work(item: int) -> None:
        begun.append(item)
        assert stopping.wait(10)

    def interrupted(_futures: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(parallel, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(parallel, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        parallel.run_all(work, range(parallel.WORKERS * 4))
    assert len(begun) <= parallel.WORKERS
