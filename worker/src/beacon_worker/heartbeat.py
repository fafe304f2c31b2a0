"""The worker's sign of life: a file that says until when it counts as alive."""

import tempfile
import time
from pathlib import Path

HEARTBEAT = Path(tempfile.gettempdir(), "beacon-worker.heartbeat")


def beat(valid_seconds: float, file: Path = HEARTBEAT) -> None:
    """Count as alive for so many seconds from now."""
    new = file.with_suffix(".new")
    new.write_text(str(time.time() + valid_seconds))
    new.replace(file)


def seconds_overdue(file: Path = HEARTBEAT) -> float:
    """Return for how long the next beat is overdue; negative while it is not.

    Raises:
        FileNotFoundError: there was never a beat.
    """
    return time.time() - float(file.read_text())
