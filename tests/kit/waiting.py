"""Waiting for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable

SHARE = 3
"""A wait looks for at most this part of its time: looking takes from what it waits for."""


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 90) -> None:
    """Come back soon after the condition holds."""
    give_up = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if condition():
            return
        looked = time.monotonic()
        assert looked < give_up, f"waited {seconds:.0f} s for {what}"
        time.sleep(max(0.05, (SHARE - 1) * (looked - began)))
