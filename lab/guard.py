"""Labs that are gone with the process that brought them up, whatever way it ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError
from lab.place import REPOSITORY

GUARD = "import sys, lab; lab.down(sys.stdin.read())"


@contextmanager
def guarded(state: Path) -> Iterator[None]:
    """Take the lab in a directory down when the block ends, also where this process is killed.

    A second process is told the directory and does it at the end of its input, which this process
    holds open, and which the system closes however this process ends. What a terminal or CI sends
    to this process's group does not reach the second one.

    Raises:
        LabError: the lab could not be taken down.
    """
    guard = subprocess.Popen(
        [sys.executable, "-c", GUARD],
        cwd=REPOSITORY, start_new_session=True,
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert guard.stdin is not None
    guard.stdin.write(str(state))
    guard.stdin.flush()
    try:
        yield
    finally:
        _, errors = guard.communicate()
        if guard.returncode:
            raise LabError(f"the lab in {state} could not be taken down:\n{errors.strip()}")
