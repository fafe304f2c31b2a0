"""Generated monorepos of many services: what a change of one costs beside the others."""

from __future__ import annotations

from bench.ground import Ground
from bench.measure import Samples
from bench.targets import Played

from .rounds import Rounds
from .targets import targets, titles

SIZES = (20, 100)


def play(ground: Ground, samples: Samples) -> Played:
    """Measure a fleet of each size."""
    found = []
    for size in SIZES:
        rounds = Rounds.on_new_runner(ground, size, samples)
        rounds.play()
        found += targets(rounds)
    return Played(titles(SIZES), found)
