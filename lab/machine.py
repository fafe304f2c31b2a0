"""What this machine offers a lab, and what it lacks."""

from __future__ import annotations

import enum
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError


class Mode(enum.Enum):
    """Whose engine a lab uses."""

    OWN = "own"
    """Engines that the lab starts, with images made of Debian packages."""
    BORROWED = "borrowed"
    """The machine's, with public images."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What decides whether a lab can start engines here."""

    linux: bool
    root: bool
    apt: bool
    cgroups: bool

    @classmethod
    def observe(cls) -> Machine:
        """This machine."""
        return cls(
            linux=os.uname().sysname == "Linux",
            root=os.geteuid() == 0,
            apt=shutil.which("apt-get") is not None,
            cgroups=_has_cgroups(),
        )


def decide(*, engine_answers: bool, images_arrive: bool) -> Mode:
    """The machine's engine is of use only where public images can be pulled with it."""
    return Mode.BORROWED if engine_answers and images_arrive else Mode.OWN


def require(machine: Machine, *, engine: bool) -> None:
    """Check that the lab can start a registry of its own here, and an `engine`.

    Raises:
        LabError: it cannot; the message names everything that is missing, and what to do.
    """
    lacks = missing(machine, engine=engine)
    if lacks:
        raise LabError(
            "this needs daemons of the lab's own (no engine with public images answers here, or "
            "hosts, a Swarm or a password were asked for), and it cannot start them: "
            + "; ".join(lacks)
        )


def missing(machine: Machine, *, engine: bool = True) -> list[str]:
    """What the lab needs and this machine does not have, each with its remedy."""
    if not machine.linux:
        return ["this is not Linux; start Docker Desktop or Colima and run the command again"]
    lacks = []
    if not machine.root:
        lacks.append(
            "you are not root; run it with sudo, or start Docker and join the group `docker`"
        )
    if not machine.apt:
        lacks.append("there is no apt-get to install Debian packages; install Docker Engine")
    if engine and not machine.cgroups:
        lacks.append("no cgroups are mounted in /sys/fs/cgroup; run in a privileged container")
    return lacks


def _has_cgroups() -> bool:
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return False
    kinds = {line.split()[2] for line in mounts.read_text().splitlines()}
    return bool(kinds & {"cgroup", "cgroup2"})
