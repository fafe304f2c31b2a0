"""`python -m bench [beacon|layers|fleets]`: measure in labs of its own, print tables.

Without an argument, all of it. The figures are kept in bench/results.json.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

import lab
from demo.scratch import ROOT, SHA_LENGTH, git

from . import beacon, fleets, layers, report
from .ground import prepared
from .measure import FailedError, Sample, Samples
from .targets import Target

RESULTS = Path(__file__).with_name("results.json")
PARTS = {"beacon": beacon.play, "layers": layers.play, "fleets": fleets.play}
WIDTH_OF_FILES = 140
ROOM = 4_000_000_000  # bytes of a registry and a runner, with much to spare


def main() -> int:
    """Measure; a missed target is a result, not a failure."""
    asked = sys.argv[1:] or list(PARTS)
    if unknown := set(asked) - set(PARTS):
        sys.exit(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_OF_FILES)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with tempfile.TemporaryDirectory(prefix="buildonce-bench-", dir=_memory()) as folder:
            _measure(Path(folder), asked, console)
    except KeyboardInterrupt:
        return 130
    except (FailedError, lab.LabError, subprocess.CalledProcessError) as error:
        console.print(f"[red]✗[/] the bench stopped: {escape(str(error))}", soft_wrap=True)
        return 1
    return 0


def _measure(folder: Path, parts: Sequence[str], console: Console) -> None:
    _mention_noise(console)

    def say(name: str, sample: Sample) -> None:
        console.print(f"  {name:<24}{sample.seconds:8.2f} s")

    samples = Samples(say)
    titles: dict[str, str] = {}
    targets: list[Target] = []
    commit = git(ROOT, "rev-parse", "HEAD")[:SHA_LENGTH]
    with prepared(folder) as ground:
        for part in parts:
            console.print(f"[bold]{part}[/]")
            result = PARTS[part](ground, samples)
            titles.update(result.titles)
            targets += result.targets
    console.print(Padding(report.figures_table(samples, titles), (1, 0, 1, 0), expand=False))
    console.print(Padding(report.targets_table(targets), (0, 0, 1, 0), expand=False))
    RESULTS.write_text(report.as_json(samples, targets, commit) + "\n", encoding="utf-8")
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
