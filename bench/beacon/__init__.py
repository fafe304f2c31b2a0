"""Beacon, the project of this repository: two services, beside the workflow that it replaced."""

from __future__ import annotations

import time

from bench.ground import Ground
from bench.measure import Samples
from bench.targets import Played

from .rounds import Round
from .targets import TITLES, targets

ROUNDS = 3
SECONDS = 480  # another round begins only if it should end within these


def play(ground: Ground, samples: Samples) -> Played:
    """Measure rounds, as many as there is time for."""
    began = time.monotonic()
    for done in range(ROUNDS):
        if done and (time.monotonic() - began) * (done + 1) / done > SECONDS:
            break
        Round(ground, samples, done + 1).play()
    return Played(TITLES, targets(samples))
