"""One command's wall time and memory; the figures of many."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CHILD = Path(__file__).with_name("child.py")
TAIL = 2000  # characters of a failed command's output


class FailedError(Exception):
    """A command that is measured failed; the message ends with what it said last."""


@dataclass(frozen=True)
class Sample:
    """What one run took: seconds, and peaks of resident memory in bytes.

    `process` is the largest single process of the command's tree (getrusage's ru_maxrss),
    `engine` the engine and its containerd together.
    """

    seconds: float
    process: int = 0
    engine: int = 0

    def __add__(self, other: Sample) -> Sample:
        return Sample(
            self.seconds + other.seconds,
            max(self.process, other.process),
            max(self.engine, other.engine),
        )


@dataclass(frozen=True)
class Engine:
    """An engine's processes, whose peak memory the kernel keeps (proc(5), VmHWM)."""

    pid: int

    def forget_peak(self) -> None:
        """Begin a new peak."""
        for pid in self._pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak(self) -> int:
        """Bytes since `forget_peak`."""
        return sum(_peak(pid) for pid in self._pids())

    def _pids(self) -> Iterator[int]:
        yield self.pid
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            yield from map(int, (task / "children").read_text().split())


def run(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], engine: Engine) -> Sample:
    """Run a command to its end.

    Raises:
        FailedError: it did not end with 0.
    """
    engine.forget_peak()
    with tempfile.TemporaryFile() as log:
        child = subprocess.run(
            [sys.executable, "-I", "-S", str(CHILD), *argv],
            cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=log, check=True,
        )  # fmt: skip
        measured = json.loads(child.stdout)
        if measured["code"]:
            log.seek(0)
            said = log.read().decode(errors="replace")[-TAIL:]
            raise FailedError(f"{' '.join(argv)}\nended with {measured['code']}:\n{said}")
    return Sample(measured["seconds"], measured["process"], engine.peak())


@dataclass(frozen=True)
class Samples:
    """What was measured so far, by name; `say` hears of each as it is taken."""

    say: Callable[[str, Sample], None]
    taken: defaultdict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))

    def take(self, name: str, measuring: Callable[[], Sample]) -> Sample:
        """Measure once more."""
        sample = measuring()
        self.taken[name].append(sample)
        self.say(name, sample)
        return sample

    def medians(self) -> dict[str, float]:
        """Return the median of the seconds of each."""
        return {name: median(taken) for name, taken in self.taken.items()}


def median(samples: Sequence[Sample]) -> float:
    """The median of the seconds."""
    return statistics.median(sample.seconds for sample in samples)


def _peak(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
