"""Daemons that outlive the command, known again by more than their number."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.shell import environment

PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process as it was started: a number alone may belong to another one by now.

    `started` is in clock ticks since the boot that `boot` names (see proc_pid_stat(5)).
    """

    pid: int
    started: int
    boot: str

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return observe(self.pid) == self


def observe(pid: int) -> Process | None:
    """The process that has this number now; None when there is none or it is a zombie."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else Process(pid=pid, started=int(fields[19]), boot=boot)


def start(argv: Sequence[str], log: Path) -> Process:
    """Start a daemon in a session of its own, its output appended to `log`.

    Raises:
        LabError: the program is missing, or ended at once.
    """
    variables = environment()
    program = shutil.which(argv[0], path=variables["PATH"])
    if program is None:
        raise LabError(f"{argv[0]} is not installed; `inv lab.up` as root installs it")
    log.parent.mkdir(parents=True, exist_ok=True)
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    # not subprocess, which takes a child that outlives it for a mistake
    pid = os.posix_spawn(program, list(argv), variables, file_actions=files, setsid=True)
    process = observe(pid)
    if process is None:
        raise LabError(f"{argv[0]} ended at once:\n{tail(log)}")
    return process


def wait_until(
    ready: Callable[[], bool], process: Process, *, name: str, log: Path, seconds: float
) -> None:
    """Wait until `ready()`, looking every 20 ms.

    Raises:
        LabError: the process ended, or `seconds` went by; with the tail of its log.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if not process.alive:
            raise LabError(f"the {name} ended while starting; the end of {log}:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise LabError(
                f"the {name} did not answer within {seconds:.0f} s; the end of {log}:\n{tail(log)}"
            )
        time.sleep(0.02)


def stop(started: Sequence[Process], *, seconds: float) -> None:
    """End those that are still the ones that were started; SIGKILL after `seconds`."""
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        for process in started:
            if process.alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, number)
        deadline = time.monotonic() + patience
        while any(process.alive for process in started) and time.monotonic() < deadline:
            time.sleep(0.02)
    for process in started:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)


def naming(path: Path, programs: Sequence[str]) -> Iterator[Process]:
    """The processes of one of these programs that were given `path`, or something in it."""
    for folder in PROC.glob("[0-9]*"):
        try:
            argv = (folder / "cmdline").read_text(errors="replace").split("\0")
        except OSError:
            continue
        if Path(argv[0]).name in programs and any(_names(word, path) for word in argv[1:]):
            process = observe(int(folder.name))
            if process:
                yield process


def _names(word: str, path: Path) -> bool:
    return word == str(path) or f"{path}/" in word


def tail(log: Path, lines: int = 15) -> str:
    """The end of a log, for a message."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"
