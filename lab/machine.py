"""What this machine offers a lab, and what it lacks."""

from __future__ import annotations

import enum
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError


class Mode(enum.Enum):
    """Whose engine the lab uses."""

    OWN = "own"
    """One that the lab starts, with images made of Debian packages."""
    MACHINE = "machine"
    """The machine's, with public images."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What decides whether a lab of its own can run here."""

    root: bool
    linux: bool
    apt: bool
    cgroups: bool

    @classmethod
    def observe(cls) -> Machine:
        """This machine."""
        return cls(
            root=os.geteuid() == 0,
            linux=os.uname().sysname == "Linux",
            apt=bool(shutil.which("apt-get")),
            cgroups=_has_cgroups(),
        )


def decide(*, engine_answers: bool, images_arrive: bool) -> Mode:
    """The machine's engine is of use only where public images can be pulled with it."""
    return Mode.MACHINE if engine_answers and images_arrive else Mode.OWN


def require_own_engine(machine: Machine) -> None:
    """Check that the lab can start an engine of its own here.

    Raises:
        LabError: it cannot; the message names everything that is missing.
    """
    lacks = missing(machine)
    if lacks:
        raise LabError(
            "no engine with reach to public images answers here, and the lab cannot start one: "
            + "; ".join(lacks)
        )


def missing(machine: Machine) -> list[str]:
    """What the lab needs and this machine does not have, each with its remedy."""
    if not machine.linux:
        return ["this is not Linux: start Docker Desktop (or Colima) and run the command again"]
    lacks = []
    if not machine.root:
        lacks.append("it needs root: run the command with sudo, or start Docker and join its group")
    if not machine.apt:
        lacks.append("it installs Debian packages and there is no apt-get: install Docker Engine")
    if not machine.cgroups:
        lacks.append(
            "no cgroup hierarchy is mounted under /sys/fs/cgroup: mount one, or run in a "
            "privileged container"
        )
    return lacks


def _has_cgroups() -> bool:
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return False
    kinds = {line.split()[2] for line in mounts.read_text().splitlines()}
    return bool(kinds & {"cgroup", "cgroup2"})
