"""The figures as tables beside their targets, and as JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone

from rich.table import Table

from .measure import Sample, median

Samples = Mapping[str, Sequence[Sample]]

TIMES = "times"

NAMES = {
    "legacy": "the old workflow, both jobs, new runners",
    "cold": "inv build --sha, new runner, no cache anywhere",
    "fresh": "inv build --sha, new runner, one line of api",
    "fresh, floor": "docker buildx bake of such a change",
    "warm": "inv build --sha, same runner, one line of api",
    "warm, floor": "docker buildx bake of such a change",
    "warm, libs": "inv build --sha, same runner, one line of libs",
    "warm, libs, floor": "docker buildx bake of such a change",
    "nothing": "inv build --sha, built already",
    "promote": "inv promote ENV",
    "promote, skopeo": "skopeo copy in a shell loop",
    "verify": "inv verify",
    "verify, skopeo": "skopeo inspect in a shell loop, hashed",
    "start": "Python's start: importing what a build imports",
    "version": "inv --version",
}


@dataclass(frozen=True)
class Target:
    """A figure, and what it should be: at least or at most `limit`."""

    name: str
    unit: str
    figure: float
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether it is what it should be."""
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit


def targets(samples: Samples) -> list[Target]:
    """What is to be reached, and what was, by the medians of one run."""
    seconds = {name: median(taken) for name, taken in samples.items()}
    legacy, start = seconds["legacy"], seconds["start"]

    def beside_floor(name: str) -> float:
        return (seconds[name] - start) / seconds[f"{name}, floor"]

    released = seconds["fresh"] + 2 * seconds["promote"] + seconds["verify"]
    return [
        Target("old workflow / one line, new runner", TIMES, legacy / seconds["fresh"], 5, True),
        Target("old workflow / one line, same runner", TIMES, legacy / seconds["warm"], 10, True),
        Target("old workflow / build, promote twice, verify", TIMES, legacy / released, 5, True),
        Target("new runner / cold", TIMES, seconds["fresh"] / seconds["cold"], 1 / 3),
        Target("new runner less Python's start / bake", TIMES, beside_floor("fresh"), 1.15),
        Target("same runner less Python's start / bake", TIMES, beside_floor("warm"), 1.15),
        Target("libs, less Python's start / bake", TIMES, beside_floor("warm, libs"), 1.15),
        Target("nothing to do", "s", seconds["nothing"], 1),
        Target("promote", "s", seconds["promote"], 2),
        Target("verify", "s", seconds["verify"], 2),
    ]


def figures_table(samples: Samples) -> Table:
    """Every measurement: how often, how long, how much memory."""
    table = Table(
        *("measured", "runs", "median s", "least", "most", "largest process MB", "engine MB"),
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for name, title in NAMES.items():
        taken = samples.get(name)
        if not taken:
            table.add_row(f"[dim]{title}[/]", "0", "[dim]not measured: no skopeo here[/]")
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
            "samples": {name: [asdict(one) for one in taken] for name, taken in samples.items()},
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
