"""A Swarm over all the hosts of a lab, with the first one as its manager."""

from __future__ import annotations

from collections.abc import Sequence

from lab.own import network
from lab.own.engine import Engine

PORT = 2377


def ensure(hosts: Sequence[Engine]) -> None:
    """Have every host in one Swarm.

    Raises:
        LabError: an engine refused to start it, or to join.
    """
    manager, *workers = hosts
    if not _member(manager):
        manager.call(
            "POST",
            "/swarm/init",
            {
                **_addresses(manager),
                "DefaultAddrPool": [str(network.overlay_pool(manager.subnet))],
                "SubnetSize": 24,
            },
        )
    joining = [worker for worker in workers if not _member(worker)]
    if joining:
        token = manager.call("GET", "/swarm")["JoinTokens"]["Worker"]
        for worker in joining:
            remotes = [f"{manager.address}:{PORT}"]
            body = {**_addresses(worker), "RemoteAddrs": remotes, "JoinToken": token}
            worker.call("POST", "/swarm/join", body)


def _member(engine: Engine) -> bool:
    return bool(engine.call("GET", "/info")["Swarm"]["LocalNodeState"] == "active")


def _addresses(engine: Engine) -> dict[str, str]:
    return {
        "ListenAddr": f"{engine.address}:{PORT}",
        "AdvertiseAddr": engine.address,
        "DataPathAddr": engine.address,
    }
