"""Take away everything of a lab, whether it was recorded or only carries the lab's name."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import engine, network, processes, registry
from .daemons import STOP_SECONDS
from .model import Record
from .place import PREFIX, RUN, Place
from .shell import run

SHIM = "containerd-shim-runc-v2"


def remove(place: Place, record: Record | None) -> None:
    """End the lab's processes and delete its mounts, hosts, links, rules and directories."""
    _stop_recorded(record)
    _stop_orphans(place)
    _unmount(place.state, place.run)
    _remove_network(place, record.subnet if record else "")
    shutil.rmtree(place.run, ignore_errors=True)
    if record and not any(RUN.glob(f"{PREFIX}*")):
        network.restore_forwarding(record.forwarding)
    shutil.rmtree(place.state, ignore_errors=True)


def _stop_recorded(record: Record | None) -> None:
    recorded = list(record.processes.values()) if record else []
    processes.stop(recorded, seconds=STOP_SECONDS)


def _stop_orphans(place: Place) -> None:
    # an engine that was killed leaves its containers to their shims
    for shim in processes.naming(place.run, [SHIM]):
        processes.stop([*processes.children(shim)], seconds=0)
    programs = [engine.PROGRAM, "containerd", SHIM, registry.PROGRAM]
    processes.stop([*processes.naming(place.run, programs)], seconds=STOP_SECONDS)


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
