"""When a deploy looks at its lock, and what it makes of the answers."""

from __future__ import annotations

import pytest

from buildonce.errors import BuildonceError, BusyError, UnavailableError
from buildonce.execute.lock import INTERVAL, Lock


class Clock:
    """Seconds that pass where a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("buildonce.execute.lock.time", clock)
    return clock


def answering(*answers: BuildonceError | None) -> Lock:
    """A lock of staging of which the ledger says these, one after the other."""
    left = list(answers)

    def require() -> None:
        if answer := left.pop(0):
            raise answer

    return Lock("staging", require)


def test_the_ledger_is_asked_now_and_then(clock: Clock) -> None:
    """Looks that follow at once are one; a process that slept for long asks when it wakes."""
    lock = answering(None, BusyError("locked by another", hint="wait"))
    lock.look()
    clock.now += INTERVAL
    lock.look()
    lock.look()
    clock.now += 3600
    with pytest.raises(BusyError) as lost:
        lock.look()
    assert "containers of staging may have been changed" in lost.value.message
    assert lost.value.hint == "wait; then inv verify --env staging"


def test_a_ledger_that_does_not_answer_stops_nothing(clock: Clock) -> None:
    """In the middle of a deploy the next look may tell."""
    lock = answering(UnavailableError("the remote is down"), None)
    for _ in range(2):
        clock.now += INTERVAL
        lock.look()
