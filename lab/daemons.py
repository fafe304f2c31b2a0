"""Keep the lab's daemons running: started once, restarted only where they died or changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import processes
from .model import Record
from .place import Place


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """A program, the configuration file that it reads, and how to tell that it is ready."""

    name: str
    command: list[str]
    file: Path
    configuration: str
    ready: Callable[[], bool]
    seconds: float = 30.0
    pidfile: Path | None = None


def ensure(daemon: Daemon, place: Place, record: Record) -> bool:
    """Have the daemon running with its configuration; True if it had to be started.

    Raises:
        LabError: it ended, or did not answer in time; with the tail of its log.
    """
    known = record.processes.get(daemon.name)
    if known and known.alive and _configured(daemon) and daemon.ready():
        return False
    if known:
        processes.stop(known, seconds=15)
    if daemon.pidfile:
        daemon.pidfile.unlink(missing_ok=True)
    daemon.file.parent.mkdir(parents=True, exist_ok=True)
    daemon.file.write_text(daemon.configuration)
    log = place.log(daemon.name)
    process = processes.start(daemon.command, log)
    record.processes[daemon.name] = process
    record.save(place)
    processes.wait_until(
        daemon.ready, process, name=daemon.name, log=log, seconds=daemon.seconds
    )
    return True


def _configured(daemon: Daemon) -> bool:
    try:
        return daemon.file.read_text() == daemon.configuration
    except OSError:
        return False
