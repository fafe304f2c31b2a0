"""Bring a lab up, take it down, and tell how it is."""

from __future__ import annotations

import os
import shutil
from typing import Protocol

from lab import borrowed, machine, removal
from lab.errors import LabError
from lab.machine import Mode
from lab.model import Lab, Part, Record
from lab.own import parts as own
from lab.own.kubernetes import programs
from lab.place import PREFIX, Place

__all__ = ["Lab", "LabError", "Part", "down", "load", "status", "up"]

State = str | os.PathLike[str] | None


class Kind(Protocol):
    """What differs with whose engine a lab uses."""

    def up(self, place: Place, record: Record) -> Lab: ...
    def lab(self, place: Place, record: Record) -> Lab: ...
    def status(self, place: Place, record: Record) -> list[Part]: ...


KINDS: dict[str, Kind] = {Mode.OWN.value: own, Mode.BORROWED.value: borrowed}


def up(
    *,
    engine: bool = True,
    hosts: int = 0,
    swarm: bool = False,
    auth: bool = False,
    kubernetes: bool = False,
    state: State = None,
) -> Lab:
    """Have a lab running in the `state` directory, starting only what is not running yet.

    Without `engine` it is a registry alone. A lab that runs grows by what is asked for and never
    shrinks: take it down for that.

    Raises:
        LabError: the machine lacks something, or a part did not start.
    """
    place = Place.of(state)
    with place.locked():
        special = bool(hosts or swarm or auth or kubernetes)
        record = Record.load(place) or Record(mode=_mode(special, engine).value)
        _grow(record, engine=engine, hosts=hosts, swarm=swarm, auth=auth, kubernetes=kubernetes)
        _require(record, special, place)
        record.save(place)
        lab = KINDS[record.mode].up(place, record)
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
        record = _readable(place)
        if record and record.mode == Mode.BORROWED.value:
            borrowed.remove(place)
            shutil.rmtree(place.state)
        else:
            removal.remove(place, record)


def load(state: State = None) -> Lab | None:
    """The lab that was brought up in the `state` directory, running or not; None if none was."""
    place = Place.of(state)
    record = Record.load(place)
    return KINDS[record.mode].lab(place, record) if record and record.complete else None


def status(state: State = None) -> list[Part]:
    """Every daemon of the lab; none when it is down."""
    place = Place.of(state)
    record = Record.load(place)
    return KINDS[record.mode].status(place, record) if record and record.port else []


def _mode(special: bool, engine: bool) -> Mode:
    answers = not special and not _within_a_lab() and borrowed.engine_answers()
    return machine.decide(
        engine_answers=answers, images_arrive=answers and borrowed.images_arrive(engine)
    )


def _require(record: Record, special: bool, place: Place) -> None:
    if record.mode == Mode.OWN.value:
        machine.require(machine.Machine.observe(), engine=record.engine)
    elif special:
        raise LabError(
            f"the lab in {place.state} uses this machine's engine, which has no network hosts "
            "and no password; `inv lab.down`, then run this command again"
        )


def _within_a_lab() -> bool:
    return f"/{PREFIX}" in os.environ.get("DOCKER_HOST", "")


def _readable(place: Place) -> Record | None:
    """The record to take a lab down by; names alone must do where it cannot be read."""
    if not place.record.exists() and place.state.exists() and any(place.state.iterdir()):
        raise LabError(f"{place.state} is not a lab (it has no lab.json); nothing was removed")
    try:
        return Record.load(place)
    except LabError:
        return None


def _grow(
    record: Record, *, engine: bool, hosts: int, swarm: bool, auth: bool, kubernetes: bool
) -> None:
    if kubernetes and not record.kubernetes:
        programs.require()
        record.kubernetes = True
    record.engine = record.engine or engine
    record.hosts = max(record.hosts, hosts)
    record.swarm = record.swarm or swarm
    if record.swarm and not record.hosts:
        raise LabError("a Swarm runs on network hosts: ask for some too, as in --hosts 3 --swarm")
    if auth and not record.credentials:
        record.credentials = own.new_credentials()
