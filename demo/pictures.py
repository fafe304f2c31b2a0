"""What the demo draws itself: the layers of two builds, and the table at the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from buildonce.refs import ImageRef, short
from buildonce.registry import Manifest, Registry

from .player import Played

SERVICES = ("api", "worker")


def layers(registry: str, before: str, after: str) -> Table:
    """Compare the layers of two commits' images, service by service."""
    table = _table("service", "layer", "digest", "size", "")
    table.columns[3].justify = "right"
    for service in SERVICES:
        known = _manifest(registry, service, before).layers
        for number, layer in enumerate(_layers(_manifest(registry, service, after)), 1):
            fate = "[green]reused[/]" if layer["digest"] in known else "[yellow]new[/]"
            size = f"{layer['size'] / 1000:,.0f} kB"
            table.add_row(service, str(number), short(layer["digest"]), size, fate)
    return table


def times(played: Sequence[Played]) -> Table:
    """Every command of buildonce's that was run, how it ended and how long it took."""
    table = _table("", "command", "exit", "seconds")
    table.columns[2].justify = table.columns[3].justify = "right"
    scene = ""
    for one in played:
        if one.line.startswith("inv "):
            table.add_row(one.scene if one.scene != scene else "", one.line, str(one.code),
                          f"{one.seconds:.1f}")  # fmt: skip
            scene = one.scene
    return table


def digests(registry: str, commits: Sequence[str]) -> Table:
    """What each commit's tag and each environment's pointer name now."""
    table = _table("tag", *SERVICES)
    for tag in (*commits, "staging", "production"):
        found = (_manifest(registry, service, tag).digest for service in SERVICES)
        table.add_row(tag, *map(short, found))
    return table


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, pad_edge=False, header_style="bold")


def _manifest(registry: str, service: str, tag: str) -> Manifest:
    ref = ImageRef.parse(f"{registry}/beacon/{service}:{tag}")
    manifest = Registry().manifest(ref)
    if manifest is None:
        raise LookupError(f"{ref} is not in the registry")
    return manifest


def _layers(manifest: Manifest) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(manifest.content)["layers"]
    return found
