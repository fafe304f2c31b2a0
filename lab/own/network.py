"""The lab's own addresses, bridges, hosts and packet filter rules, beside the machine's."""

from __future__ import annotations

import ipaddress
import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.shell import run

Subnet = ipaddress.IPv4Network
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
INTERFACES = Path("/sys/class/net")
NAMESPACES = Path("/run/netns")


@dataclass(frozen=True, kw_only=True)
class Host:
    """A network host: a namespace, its `port` on the bridge, its address, its own hostname."""

    name: str
    namespace: str
    port: str
    identity: Path
    address: str

    def entrance(self) -> list[str]:
        """The command that runs another one on this host."""
        # unlike `ip netns exec`, this leaves the mounts, and so the cgroups, as they are
        return ["nsenter", f"--net={NAMESPACES / self.namespace}", f"--uts={self.identity}"]


def choose_subnet(key: str, taken: Iterable[Subnet]) -> Subnet:
    """A 10.x.0.0/16 that overlaps nothing in `taken`, the same one each time where it is free.

    Raises:
        LabError: all are taken.
    """
    used = list(taken)
    first = int(key[:4], 16)
    for step in range(120):
        subnet = Subnet(f"10.{120 + (first + step) % 120}.0.0/16")
        if not any(subnet.overlaps(network) for network in used):
            return subnet
    raise LabError("every network from 10.120.0.0/16 to 10.239.0.0/16 is in use on this machine")


def taken() -> list[Subnet]:
    """The networks that this machine has a route to, and its resolvers."""
    routes = json.loads(run(["ip", "-4", "-j", "route", "show", "table", "all"]))
    known = [route["dst"] for route in routes if route["dst"] != "default"]
    lines = [line.split() for line in Path("/etc/resolv.conf").read_text().splitlines()]
    known += [line[1] for line in lines if line[:1] == ["nameserver"] and ":" not in line[1]]
    return [Subnet(network, strict=False) for network in known]


def bridge(subnet: str) -> Subnet:
    """The default network of the engine on this machine."""
    return _part(subnet, 0, 24)


def lab(subnet: str) -> Subnet:
    """The network between the hosts; this machine has its first address."""
    return _part(subnet, 1, 24)


def host_bridge(subnet: str) -> Subnet:
    """The default network of the engine on each host, which no other host sees."""
    return _part(subnet, 2, 24)


def host_pool(subnet: str) -> Subnet:
    """Where the engine on each host takes further networks from."""
    return _part(subnet, 64, 18)


def machine_pool(subnet: str) -> Subnet:
    """Where the engine on this machine takes further networks from."""
    return _part(subnet, 128, 18)


def overlay_pool(subnet: str) -> Subnet:
    """Where a Swarm takes its overlay networks from."""
    return _part(subnet, 192, 18)


def mtu() -> int:
    """The largest packet, in bytes, that the way out of this machine takes."""
    routes = json.loads(run(["ip", "-4", "-j", "route", "show", "default"]))
    if not routes:
        return 1500
    return int((INTERFACES / routes[0]["dev"] / "mtu").read_text())


def forwarding() -> str:
    """Whether the machine forwards packets between interfaces: "1" or "0"."""
    return FORWARDING.read_text().strip()


def enable_forwarding() -> None:
    """Let packets pass between the lab's networks and the way out."""
    if forwarding() != "1":
        FORWARDING.write_text("1")


def restore_forwarding(before: str) -> None:
    """Put the setting back as `forwarding` found it."""
    if before:
        FORWARDING.write_text(before)


def ensure_bridge(name: str, network: Subnet) -> None:
    """A bridge that is up and has the network's first address.

    Without a link address of its own a bridge takes one of its ports', and changes it as
    containers come and go: whoever talks through it then loses the network for a while.
    """
    if not (INTERFACES / name).exists():
        run(["ip", "link", "add", name, "address", link_address(network), "type", "bridge"])
    run(["ip", "address", "replace", f"{network[1]}/{network.prefixlen}", "dev", name])
    run(["ip", "link", "set", name, "up"])


def link_address(network: Subnet) -> str:
    """A locally administered link address, made from the network's first address."""
    return ":".join(["02", "42", *(f"{byte:02x}" for byte in network[1].packed)])


def ensure_host(host: Host, *, bridge: str, network: Subnet) -> None:
    """A host with one interface, joined to the bridge and routed through it."""
    if (INTERFACES / host.port).exists() and host.identity.exists():
        return
    remove_host(host)
    inside = ["ip", "-n", host.namespace]
    run(["ip", "netns", "add", host.namespace])
    run([*inside, "link", "set", "lo", "up"])
    peer = ["type", "veth", "peer", "name", "eth0", "netns", host.namespace]
    run(["ip", "link", "add", host.port, *peer])
    run(["ip", "link", "set", host.port, "master", bridge, "up"])
    run([*inside, "address", "add", f"{host.address}/{network.prefixlen}", "dev", "eth0"])
    run([*inside, "link", "set", "eth0", "up"])
    run([*inside, "route", "add", "default", "via", str(network[1])])
    host.identity.parent.mkdir(parents=True, exist_ok=True)
    host.identity.touch()
    run(["unshare", f"--uts={host.identity}", "hostname", host.name])


def remove_host(host: Host) -> None:
    """Delete what `ensure_host` made, or as much of it as there is."""
    if host.identity.is_mount():
        run(["umount", str(host.identity)])
    if (INTERFACES / host.port).exists():
        run(["ip", "link", "delete", host.port])
    if (NAMESPACES / host.namespace).exists():
        run(["ip", "netns", "delete", host.namespace])


def ensure_rules(subnet: str, mark: str) -> None:
    """Let the subnet's packets through, and out with the machine's own address."""
    present = [line for table in ("nat", "filter") for line in _marked(table, mark)]
    for table, rule in _rules(subnet, mark):
        if rule not in present:
            run(["iptables", "-w", "-t", table, "-I", *rule])


def remove_rules(mark: str) -> None:
    """Delete every rule that carries the lab's comment."""
    for table in ("nat", "filter"):
        for rule in _marked(table, mark):
            run(["iptables", "-w", "-t", table, "-D", *rule])


def remove_links(subnet: str, prefix: str) -> None:
    """Delete the interfaces named by the lab, and the engine's bridges within its subnet."""
    for link in json.loads(run(["ip", "-j", "address"])):
        addresses = [address["local"] for address in link.get("addr_info", [])]
        if link["ifname"].startswith(prefix) or _any_within(addresses, subnet):
            run(["ip", "link", "delete", link["ifname"]])


def remove_namespaces(prefix: str) -> None:
    """Delete the network namespaces named by the lab."""
    for namespace in NAMESPACES.glob(f"{prefix}*"):
        run(["ip", "netns", "delete", namespace.name])


def _part(subnet: str, third: int, length: int) -> Subnet:
    return Subnet((int(Subnet(subnet).network_address) + (third << 8), length))


def _any_within(addresses: Iterable[str], subnet: str) -> bool:
    return bool(subnet) and any(
        ":" not in address and ipaddress.IPv4Address(address) in Subnet(subnet)
        for address in addresses
    )


def _rules(subnet: str, mark: str) -> list[tuple[str, list[str]]]:
    comment = ["-m", "comment", "--comment", mark]
    return [
        ("nat", ["POSTROUTING", "-s", subnet, "!", "-d", subnet, *comment, "-j", "MASQUERADE"]),
        ("filter", ["FORWARD", "-s", subnet, *comment, "-j", "ACCEPT"]),
        ("filter", ["FORWARD", "-d", subnet, *comment, "-j", "ACCEPT"]),
    ]


def _marked(table: str, mark: str) -> list[list[str]]:
    lines = map(shlex.split, run(["iptables-save", "-t", table]).splitlines())
    return [words[1:] for words in lines if words[:1] == ["-A"] and mark in words]
