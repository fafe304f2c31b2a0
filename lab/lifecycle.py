"""Bring a lab up, take it down, and tell how it is."""

from __future__ import annotations

import os
from dataclasses import dataclass

from . import own, removal
from .errors import LabError
from .machine import Mode
from .model import Lab, Record
from .place import Place

State = str | os.PathLike[str] | None


@dataclass(frozen=True, kw_only=True)
class Part:
    """One daemon of a lab: where it answers, and whether it does."""

    name: str
    address: str
    pid: int | None
    running: bool


def up(hosts: int = 0, swarm: bool = False, auth: bool = False, state: State = None) -> Lab:
    """Have a lab running in the `state` directory, starting only what is not running yet.

    A lab that runs grows by what is asked for and never shrinks: take it down for that.

    Raises:
        LabError: the machine lacks something, or a part did not start.
    """
    place = Place.of(state)
    with place.locked():
        record = Record.load(place) or Record(mode=Mode.OWN.value)
        _grow(record, hosts=hosts, swarm=swarm, auth=auth)
        record.save(place)
        lab = own.up(place, record)
        (place.state / "invoke.yaml").write_text(lab.overrides())
        (place.state / "env").write_text(lab.exports())
        return lab


def down(state: State = None) -> None:
    """Take the lab down and leave nothing of it, not even the state directory.

    Raises:
        LabError: the directory is not a lab's.
    """
    place = Place.of(state)
    with place.locked():
        record = Record.load(place)
        if record is None and place.state.exists() and any(place.state.iterdir()):
            raise LabError(f"{place.state} is not a lab (it has no lab.json); nothing was removed")
        removal.remove(place, record)


def load(state: State = None) -> Lab | None:
    """The lab that was brought up in the `state` directory, running or not; None if none was."""
    place = Place.of(state)
    record = Record.load(place)
    return own.lab(place, record) if record and record.base_image else None


def status(state: State = None) -> list[Part]:
    """Every daemon of the lab; none when it is down."""
    place = Place.of(state)
    record = Record.load(place)
    if record is None or not record.port:
        return []
    registry = _part(record, "registry", own.address(record), own.client(record).answers())
    engines = own.engines(place, record)
    return [registry, *(_part(record, one.name, one.url, one.answers()) for one in engines)]


def _grow(record: Record, *, hosts: int, swarm: bool, auth: bool) -> None:
    record.hosts = max(record.hosts, hosts)
    record.swarm = record.swarm or swarm
    if auth and not record.credentials:
        record.credentials = own.new_credentials()
    if record.swarm and not record.hosts:
        raise LabError("a Swarm needs network hosts: ask for --hosts 2 or more")


def _part(record: Record, name: str, address: str, running: bool) -> Part:
    process = record.processes.get(name)
    return Part(name=name, address=address, pid=process.pid if process else None, running=running)
