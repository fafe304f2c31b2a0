"""`python -m bench`: measure in labs of its own, print tables, keep bench/results.json."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

import lab

from . import report
from .ground import prepared
from .measure import FailedError, Sample
from .rounds import Rounds

RESULTS = Path(__file__).with_name("results.json")
ROUNDS = 3
SECONDS = 480  # another round begins only if it should end within these
WIDTH_OF_FILES = 140
ROOM = 4_000_000_000  # bytes of a registry and a runner, with much to spare


def main() -> int:
    """Measure; a missed target is a result, not a failure."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_OF_FILES)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with tempfile.TemporaryDirectory(prefix="buildonce-bench-", dir=_memory()) as folder:
            _measure(Path(folder), console)
    except KeyboardInterrupt:
        return 130
    except (FailedError, lab.LabError, subprocess.CalledProcessError) as error:
        console.print(f"[red]✗[/] the bench stopped: {escape(str(error))}", soft_wrap=True)
        return 1
    return 0


def _measure(folder: Path, console: Console) -> None:
    _mention_noise(console)

    def say(name: str, sample: Sample) -> None:
        console.print(f"  {name:<20}{sample.seconds:8.2f} s")

    with prepared(folder) as ground:
        commit = ground.scratch.sha
        rounds = Rounds(ground, say)
        began = time.monotonic()
        for done in range(ROUNDS):
            if done and (time.monotonic() - began) * (done + 1) / done > SECONDS:
                break
            console.print(f"[bold]round {done + 1} of {ROUNDS}[/]")
            rounds.play(done + 1)
    reached = report.targets(rounds.samples)
    console.print(Padding(report.figures_table(rounds.samples), (1, 0, 1, 0), expand=False))
    console.print(Padding(report.targets_table(reached), (0, 0, 1, 0), expand=False))
    RESULTS.write_text(report.as_json(rounds.samples, reached, commit) + "\n", encoding="utf-8")
    console.print(f"kept in bench/{RESULTS.name}")


def _memory() -> str | None:
    """Return a file system in memory, where there is room for labs.

    A disk discards what a removed runner has left while the next one is measured: the base
    image's pull took 5 s then, and 1.3 s on the same disk at rest, as in memory.
    """
    memory = Path("/dev/shm")  # noqa: S108
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > ROOM
    return str(memory) if roomy else None


def _mention_noise(console: Console) -> None:
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores / 2:
        console.print(
            f"[yellow]•[/] this machine is busy (load {load:.1f} on {cores} cores): "
            "trust ratios of this run a little, its seconds less"
        )


if __name__ == "__main__":
    sys.exit(main())
