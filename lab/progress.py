"""One line on standard error for each stage that takes longer than a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

NOTICEABLE = 1.0  # seconds


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Say how long the stage took, if a person would have noticed."""
    began = time.monotonic()
    yield
    seconds = time.monotonic() - began
    if seconds >= NOTICEABLE:
        print(f"lab: {name} ({seconds:.1f} s)", file=sys.stderr, flush=True)
