"""Work at the same time: all of it, in order, or no more of it once interrupted."""

from __future__ import annotations

import _thread
import time
from threading import Event

import pytest

from buildonce import parallel
from buildonce.parallel import WORKERS, run_all


def test_results_come_in_the_items_order() -> None:
    """Whichever is done first, the first item's result is the first."""
    assert run_all(lambda wait: time.sleep(wait) or wait, [0.02, 0.0]) == [0.02, 0.0]


def test_after_an_error_nothing_more_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for its turn when one fails is never begun, and the error is that one's."""
    monkeypatch.setattr(parallel, "WORKERS", 1)
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        if item == 1:
            raise ValueError(item)

    with pytest.raises(ValueError, match="1"):
        run_all(work, range(4))
    assert begun == [0, 1]


def test_an_interruption_begins_nothing_more() -> None:
    """Ctrl-C ends what is under way; what waits for its turn is never begun."""
    begun: list[int] = []
    interrupted = Event()

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            _thread.interrupt_main()
            interrupted.set()
        interrupted.wait(10)
        time.sleep(0.2)

    with pytest.raises(KeyboardInterrupt):
        run_all(work, range(WORKERS * 4))
    assert len(begun) < WORKERS * 3
