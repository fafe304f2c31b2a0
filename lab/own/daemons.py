"""Keep the lab's daemons running: started once, restarted only where they died or changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import processes
from lab.model import Record
from lab.place import Place

START_SECONDS = 60.0
STOP_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class Daemon:
    """A program, the configuration file that it reads, and how to tell that it is ready.

    `prepare` clears the way for a start, once no earlier process of it runs.
    """

    name: str
    command: list[str]
    file: Path
    configuration: str
    ready: Callable[[], bool]
    prepare: Callable[[], None] = lambda: None


def ensure(wanted: Sequence[Daemon], place: Place, record: Record) -> None:
    """Have them all running with their configuration; those that must start, start together.

    Raises:
        LabError: one ended, or did not answer in time; with the tail of its log.
    """
    started = [daemon for daemon in wanted if not _in_order(daemon, record)]
    for daemon in started:
        _start(daemon, place, record)
    for daemon in started:
        processes.wait_until(
            daemon.ready,
            record.processes[daemon.name],
            name=daemon.name,
            log=place.log(daemon.name),
            seconds=START_SECONDS,
        )


def _in_order(daemon: Daemon, record: Record) -> bool:
    known = record.processes.get(daemon.name)
    return bool(known and known.alive and _configured(daemon) and daemon.ready())


def _configured(daemon: Daemon) -> bool:
    return daemon.file.exists() and daemon.file.read_text() == daemon.configuration


def _start(daemon: Daemon, place: Place, record: Record) -> None:
    known = record.processes.get(daemon.name)
    earlier = [known] if known else []
    # also one that a command was killed too early to record
    unrecorded = processes.naming(daemon.file, daemon.command)
    processes.stop([*earlier, *unrecorded], seconds=STOP_SECONDS)
    daemon.prepare()
    daemon.file.parent.mkdir(parents=True, exist_ok=True)
    daemon.file.write_text(daemon.configuration)
    record.processes[daemon.name] = processes.start(daemon.command, place.log(daemon.name))
    record.save(place)
