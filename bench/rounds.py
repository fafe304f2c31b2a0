"""Rounds of measuring: everything in turns, and the other way round the next time."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from . import workloads
from .ground import Ground
from .measure import Sample

WARM_TURNS = 3
API = "api/src/beacon_api/page.py"
LIBS = "libs/src/beacon_libs/models.py"

Measuring = Callable[[], Sample]


@dataclass
class Rounds:
    """The samples so far, by what was measured; `say` hears of each."""

    ground: Ground
    say: Callable[[str, Sample], None]
    samples: defaultdict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))

    def play(self, number: int) -> None:
        """Measure everything, with repositories that no earlier round has filled."""
        self.ground.images = f"{{registry}}/round{number}/{{service}}"
        self._cold()
        for turn in range(WARM_TURNS):
            self._warm(turn + number)
            self._released()
        self._on_new_runners(number)

    def _cold(self) -> None:
        self.ground.renew_runner()
        self.ground.change(API)
        self._take("cold", lambda: self.ground.inv("build", "--sha"))

    def _warm(self, turn: int) -> None:
        self._in_turns(
            turn,
            {
                "warm, libs": lambda: self._built_after(LIBS),
                "warm, libs, floor": lambda: self._baked_after(LIBS),
            },
        )
        self._in_turns(
            turn + 1,
            {
                "warm": lambda: self._built_after(API),
                "warm, floor": lambda: self._baked_after(API),
            },
        )

    def _released(self) -> None:
        inv = self.ground.inv
        self.ground.change(API)
        inv("build", "--sha")
        self._take("start", lambda: workloads.start(self.ground))
        self._take("version", lambda: inv("--version"))
        self._take("nothing", lambda: inv("build", "--sha"))
        self._take("promote", lambda: inv("promote", "staging"))
        self._take("promote", lambda: inv("promote", "production"))
        self._take("verify", lambda: inv("verify"))
        if shutil.which("skopeo"):
            self._released_by_skopeo("skopeo-staging", "skopeo-production")

    def _released_by_skopeo(self, *tags: str) -> None:
        for tag in tags:
            self._take("promote, skopeo", partial(workloads.skopeo_promote, self.ground, tag))
        self._take("verify, skopeo", lambda: workloads.skopeo_verify(self.ground, *tags))

    def _on_new_runners(self, turn: int) -> None:
        def built() -> Sample:
            self.ground.renew_runner()
            return self._built_after(API)

        def baked() -> Sample:
            self.ground.renew_runner()
            return self._baked_after(API)

        def legacy() -> Sample:
            self.ground.change(API)
            staging = workloads.legacy_job(self.ground, "staging")
            return staging + workloads.legacy_job(self.ground, "prod")

        self._in_turns(turn, {"fresh, floor": baked, "fresh": built, "legacy": legacy})

    def _built_after(self, path: str) -> Sample:
        self.ground.change(path)
        return self.ground.inv("build", "--sha")

    def _baked_after(self, path: str) -> Sample:
        self.ground.change(path)
        return workloads.floor(self.ground)

    def _in_turns(self, turn: int, measurings: dict[str, Measuring]) -> None:
        names = list(measurings)
        for name in names[:: -1 if turn % 2 else 1]:
            self._take(name, measurings[name])

    def _take(self, name: str, measuring: Measuring) -> None:
        sample = measuring()
        self.samples[name].append(sample)
        self.say(name, sample)
