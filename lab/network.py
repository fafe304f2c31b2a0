"""The lab's own addresses, bridges and packet filter rules, beside whatever the machine has."""

from __future__ import annotations

import ipaddress
import json
import shlex
from collections.abc import Iterable
from pathlib import Path

from .errors import LabError
from .shell import run

Subnet = ipaddress.IPv4Network
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


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


def part(subnet: str, third: int, length: int = 24) -> Subnet:
    """The network 10.x.`third`.0/`length` of the lab's subnet."""
    base = Subnet(subnet).network_address
    return Subnet((int(base) + (third << 8), length))


def mtu() -> int:
    """The largest packet, in bytes, that the way out of this machine takes."""
    routes = json.loads(run(["ip", "-4", "-j", "route", "show", "default"]))
    if not routes:
        return 1500
    return int((Path("/sys/class/net") / routes[0]["dev"] / "mtu").read_text())


def ensure_bridge(name: str, network: Subnet) -> None:
    """A bridge that is up and has the network's first address."""
    if not (Path("/sys/class/net") / name).exists():
        run(["ip", "link", "add", name, "type", "bridge"])
    run(["ip", "address", "replace", f"{network[1]}/{network.prefixlen}", "dev", name])
    run(["ip", "link", "set", name, "up"])


def ensure_way_out(subnet: str, mark: str) -> None:
    """Let the subnet's packets through, and out with the machine's own address."""
    for table, rule in _rules(subnet, mark).items():
        for arguments in rule:
            if not _has(table, arguments):
                run(["iptables", "-w", "-t", table, "-I", *arguments])


def enable_forwarding() -> str:
    """Turn on forwarding between interfaces; what the setting was before."""
    before = FORWARDING.read_text().strip()
    FORWARDING.write_text("1")
    return before


def restore_forwarding(before: str) -> None:
    """Put the setting back as `enable_forwarding` found it."""
    if before:
        FORWARDING.write_text(before)


def remove_rules(mark: str) -> None:
    """Delete every rule that carries the lab's comment."""
    for table in ("nat", "filter"):
        for line in run(["iptables-save", "-t", table]).splitlines():
            words = shlex.split(line)
            if words[:1] == ["-A"] and mark in words:
                run(["iptables", "-w", "-t", table, "-D", *words[1:]])


def remove_links(subnet: str, prefix: str) -> None:
    """Delete the interfaces named by the lab, and the engine's bridges within its subnet."""
    for link in json.loads(run(["ip", "-j", "address"])):
        addresses = [address["local"] for address in link.get("addr_info", [])]
        if link["ifname"].startswith(prefix) or _any_within(addresses, subnet):
            run(["ip", "link", "delete", link["ifname"]])


def _any_within(addresses: Iterable[str], subnet: str) -> bool:
    return bool(subnet) and any(
        ":" not in address and ipaddress.IPv4Address(address) in Subnet(subnet)
        for address in addresses
    )


def _rules(subnet: str, mark: str) -> dict[str, list[list[str]]]:
    comment = ["-m", "comment", "--comment", mark]
    return {
        "nat": [["POSTROUTING", "-s", subnet, "!", "-d", subnet, *comment, "-j", "MASQUERADE"]],
        "filter": [
            ["FORWARD", "-s", subnet, *comment, "-j", "ACCEPT"],
            ["FORWARD", "-d", subnet, *comment, "-j", "ACCEPT"],
        ],
    }


def _has(table: str, arguments: list[str]) -> bool:
    try:
        run(["iptables", "-w", "-t", table, "-C", *arguments])
    except LabError:
        return False
    return True
