"""Runs the command of ``notify`` with an event on its standard input."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildonce.announce.event import event_of
from buildonce.ledger.records.promotion import Promotion

LIMIT = 10.0
"""Seconds after which the command is stopped."""


@dataclass(frozen=True)
class Command:
    """The command, run in ``folder``. ``note`` is told what went wrong."""

    words: Sequence[str]
    folder: Path
    note: Callable[[str], None]

    def __call__(self, promotion: Promotion) -> None:
        """Hand over how a promotion ended; whatever happens here is a note."""
        if not self.words:
            return
        try:
            problem = self._run(json.dumps(event_of(promotion)).encode())
        except (OSError, ValueError) as error:
            problem = f"cannot be run: {error}"
        if problem:
            self.note(f"notify: {self.words[0]} {problem}; {promotion.title} is not affected")

    def _run(self, event: bytes) -> str:
        """Return what went wrong; empty if nothing did.

        Files, not pipes: what the command leaves running may hold a pipe open.
        """
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as complaints:
            given.write(event)
            given.seek(0)
            process = subprocess.Popen(
                list(self.words), cwd=self.folder, stdin=given, stdout=subprocess.DEVNULL,
                stderr=complaints,
            )  # fmt: skip
            try:
                code = process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                return f"was stopped after {LIMIT:.0f} s"
            finally:
                process.kill()
                process.wait()
            complaints.seek(0)
            return _failure(code, complaints.read().decode(errors="replace"))


def _failure(code: int, complaint: str) -> str:
    if code == 0:
        return ""
    last = (complaint.strip().splitlines() or ["no reason given"])[-1]
    return f"ended with {code}: {last}"
