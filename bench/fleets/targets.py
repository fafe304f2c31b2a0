"""What the figures of fleets are called, and what they should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench.targets import MEGABYTES, SECONDS, TIMES, Target

from .rounds import Rounds

MEASURED = {
    "cold": "inv build --sha, all services, new runner",
    "one": "inv build --sha, one line of one service",
    "one, floor": "docker buildx bake of that service alone",
    "one, no cache": "inv build --sha, such a change, cache = false",
    "none": "inv build --sha, no service touched",
    "tags": "that many manifests read and tagged, connections kept",
    "start": "Python's start: importing what a build imports",
    "first": "inv promote staging, the first time",
    "first, crane": "crane tag in a shell loop",
    "copy": "inv promote, into another registry",
    "copy, crane": "crane copy in a shell loop",
    "again": "inv promote, all of it there already",
    "again, crane": "crane copy in a shell loop, all of it there already",
    "promote": "inv promote staging, one service moved",
    "verify": "inv verify, two environments",
    "verify, floor": "those manifests read and hashed, connections kept",
    "live, first": "inv promote live, the first time: Compose",
    "live": "inv promote live, one service moved",
}


def titles(sizes: Sequence[int]) -> dict[str, str]:
    """What each measurement is called."""
    return {
        f"{size}, {name}": f"{size} services: {title}"
        for size in sizes
        for name, title in MEASURED.items()
    }


def targets(rounds: Rounds) -> list[Target]:
    """What is to be reached, and what was, by the medians of one run."""
    size, counts, seconds = rounds.fleet.size, rounds.counts, _seconds(rounds)
    least = seconds["one, floor"] + seconds["tags"] + seconds["start"]
    found = [
        Target("one line / bake, tags, Python's start", TIMES, seconds["one"] / least, 1.5),
        Target("digests that stay", f"of {size}", counts.digests_stayed, size - 1, True),
        Target("no service touched, less the tags", SECONDS, seconds["none"] - seconds["tags"], 1),
        Target("pointers written for one service", f"of {size}", counts.pointers_written, 1),
        Target("containers replaced for it", f"of {size}", counts.containers_replaced, 1),
        Target("verify / reading", TIMES, seconds["verify"] / seconds["verify, floor"], 1.5),
    ]
    if "first, crane" in seconds:
        crane = seconds["first, crane"] / 2
        copies, again = seconds["copy, crane"], seconds["again, crane"]
        found += [
            Target("first promotion / half of crane", TIMES, seconds["first"] / crane, 1.5),
            Target("copies / crane copy", TIMES, seconds["copy"] / copies, 1.2),
            Target("copies, all there / crane copy", TIMES, seconds["again"] / again, 1),
        ]
    found.append(Target("largest process of inv", MEGABYTES, _largest(rounds) / 1e6, 120))
    return [replace(one, name=f"{size} services: {one.name}") for one in found]


def _seconds(rounds: Rounds) -> dict[str, float]:
    prefix = f"{rounds.fleet.size}, "
    medians = rounds.samples.medians()
    return {name.removeprefix(prefix): s for name, s in medians.items() if name.startswith(prefix)}


def _largest(rounds: Rounds) -> int:
    """Return the bytes of the largest process of any `inv`."""
    taken = rounds.samples.taken
    tasks = (name for name, title in titles([rounds.fleet.size]).items() if " inv " in title)
    return max(sample.process for name in tasks for sample in taken[name])
