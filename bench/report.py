"""The figures as tables beside their targets, and as JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone

from rich.table import Table

from .measure import Sample, Samples, median
from .targets import Target


def figures_table(samples: Samples, titles: Mapping[str, str]) -> Table:
    """Every measurement under its title: how often, how long, how much memory."""
    table = Table(
        *("measured", "runs", "median s", "least", "most", "largest process MB", "engine MB"),
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for name, title in titles.items():
        taken = samples.taken.get(name)
        if not taken:
            table.add_row(f"[dim]{title}[/]", "0", "[dim]not measured: no such tool here[/]")
            continue
        seconds = sorted(sample.seconds for sample in taken)
        table.add_row(
            title,
            str(len(taken)),
            *(f"{one:.2f}" for one in (median(taken), seconds[0], seconds[-1])),
            *(f"{max(one) / 1e6:.0f}" for one in _memory(taken)),
        )
    return table


def targets_table(reached: Sequence[Target]) -> Table:
    """Each target beside the figure."""
    table = Table("", "figure", "target", "", box=None, pad_edge=False, header_style="bold")
    table.columns[1].justify = table.columns[2].justify = "right"
    for one in reached:
        bound = "≥" if one.at_least else "≤"
        verdict = "[green]reached[/]" if one.met else "[red]missed[/]"
        limit = f"{bound} {one.limit:.3g} {one.unit}"
        table.add_row(one.name, f"{one.figure:.2f} {one.unit}", limit, verdict)
    return table


def as_json(samples: Samples, reached: Sequence[Target], commit: str) -> str:
    """Everything, and on what it was measured."""
    return json.dumps(
        {
            "commit": commit,
            "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "machine": _machine(),
            "targets": [{**asdict(one), "met": one.met} for one in reached],
            "samples": {
                name: [asdict(one) for one in taken] for name, taken in samples.taken.items()
            },
        },
        indent=2,
        ensure_ascii=False,
    )


def _memory(taken: Sequence[Sample]) -> tuple[list[int], list[int]]:
    return [sample.process for sample in taken], [sample.engine for sample in taken]


def _machine() -> dict[str, object]:
    return {
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "docker": _version("docker", "--version"),
        "buildx": _version("docker", "buildx", "version"),
        "load_at_the_end": os.getloadavg()[0],
    }


def _version(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
