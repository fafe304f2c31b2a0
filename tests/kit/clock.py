"""A clock for what waits."""

from __future__ import annotations


class Clock:
    """A clock that goes on where a test sets it, or while somebody pauses, in seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds
