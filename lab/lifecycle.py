"""Bring a lab up, take it down, and tell how it is."""

from __future__ import annotations

import os
import shutil

from . import own
from .errors import LabError
from .machine import Mode
from .model import Lab, Record
from .place import Place

State = str | os.PathLike[str] | None


def up(hosts: int = 0, swarm: bool = False, auth: bool = False, *, state: State = None) -> Lab:
    """Have a lab running in the `state` directory, starting only what is not running yet.

    Raises:
        LabError: the machine lacks something, or a part did not start.
    """
    place = Place.of(state)
    with place.locked():
        record = Record.load(place) or Record(mode=Mode.OWN.value)
        record.save(place)
        lab = own.up(place, record)
        (place.state / "invoke.yaml").write_text(lab.overrides())
        (place.state / "env").write_text(lab.exports())
        return lab


def down(*, state: State = None) -> None:
    """Take the lab down and leave nothing of it, not even the state directory.

    Raises:
        LabError: the directory is not a lab's.
    """
    place = Place.of(state)
    with place.locked():
        record = Record.load(place)
        if record is None and place.state.exists() and any(place.state.iterdir()):
            raise LabError(f"{place.state} is not a lab (it has no lab.json); nothing was removed")
        own.down(place, record)
        shutil.rmtree(place.state, ignore_errors=True)


def load(*, state: State = None) -> Lab | None:
    """The lab that was brought up in the `state` directory, running or not; None if none was."""
    place = Place.of(state)
    record = Record.load(place)
    if record is None or not record.base_image:
        return None
    return own.lab(place, record)
