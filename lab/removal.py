"""Take away everything of a lab, whether it was recorded or only carries the lab's name."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from lab import processes, registry
from lab.errors import LabError
from lab.model import Record
from lab.own import engine, network
from lab.own.kubernetes import cluster
from lab.place import PREFIX, RUN, Place
from lab.shell import run

CGROUPS = Path("/sys/fs/cgroup")
PATIENCE = 2.0  # seconds; nothing of a lab is worth a longer farewell
SHIM = "containerd-shim-runc-v2"


def remove(place: Place, record: Record | None) -> None:
    """End the lab's processes and delete its mounts, hosts, links, rules and directories.

    Raises:
        LabError: the lab is root's, and the caller is not.
    """
    if os.geteuid() and not place.run.exists():
        return
    if os.geteuid():
        raise LabError(f"the lab in {place.state} was started by root; run this with sudo")
    processes.stop(list(record.processes.values()) if record else [], seconds=PATIENCE)
    _stop_containers(place)
    programs = [engine.PROGRAM, "containerd", SHIM, registry.PROGRAM, *cluster.PROGRAMS]
    processes.stop(list(processes.naming(place.run, programs)), seconds=PATIENCE)
    _unmount(place.state, place.run)
    _remove_network(place, record.subnet if record else "")
    _remove_cgroups(place)
    shutil.rmtree(place.run, ignore_errors=True)
    if record and not any(RUN.glob(f"{PREFIX}*")):
        network.restore_forwarding(record.forwarding)
    shutil.rmtree(place.state, ignore_errors=True)


def _stop_containers(place: Place) -> None:
    """End what an engine that was killed, or had too little time, has left running."""
    pids: set[int] = set()
    for cgroup in _cgroups(place):
        with suppress(OSError):  # it went meanwhile
            pids |= set(map(int, (cgroup / "cgroup.procs").read_text().split()))
    processes.stop(list(filter(None, map(processes.observe, pids))), seconds=0)


def _remove_cgroups(place: Place) -> None:
    for cgroup in _cgroups(place):
        with suppress(FileNotFoundError):
            cgroup.rmdir()


def _cgroups(place: Place) -> list[Path]:
    """The lab's cgroups, inner ones first: version 2 has one hierarchy, 1 one a controller."""
    tops = (CGROUPS / place.mark, *CGROUPS.glob(f"*/{place.mark}"))
    return [Path(folder) for top in tops for folder, _, _ in os.walk(top, topdown=False)]


def _unmount(*folders: Path) -> None:
    points = [
        Path(line.split()[1].encode().decode("unicode_escape"))
        for line in Path("/proc/mounts").read_text().splitlines()
    ]
    for point in reversed(points):
        if any(point.is_relative_to(folder) for folder in folders):
            run(["umount", "--lazy", str(point)])


def _remove_network(place: Place, subnet: str) -> None:
    if shutil.which("iptables-save"):
        network.remove_rules(place.mark)
    if shutil.which("ip"):
        network.remove_links(subnet, place.interface(""))
        network.remove_namespaces(place.interface(""))
