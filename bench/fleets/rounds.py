"""What is measured of a fleet: a first release, then changes of one service and of none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.floor import baked, start
from bench.ground import Ground
from bench.measure import Sample, Samples

from .fleet import TURNS, Fleet


@dataclass
class Counts:
    """What stayed and what moved, of all services; the worst of all turns."""

    digests_stayed: int
    pointers_written: int = 0
    containers_replaced: int = 0


@dataclass
class Rounds:
    """The samples of one fleet, their names beginning with its size."""

    fleet: Fleet
    samples: Samples
    counts: Counts = field(init=False)

    def __post_init__(self) -> None:
        self.counts = Counts(digests_stayed=self.fleet.size)

    @classmethod
    def on_new_runner(cls, ground: Ground, size: int, samples: Samples) -> Rounds:
        """Begin with a runner and a monorepo that are new."""
        ground.renew_runner()
        return cls(Fleet.make(ground, size), samples)

    def play(self) -> None:
        """Measure everything."""
        inv = self.fleet.project.inv
        self._take("cold", lambda: inv("build", "--sha"))
        self._first_promotion()
        for turn in range(TURNS):
            self._copies(turn)
        inv("promote", "production")
        self._take("live, first", lambda: inv("promote", "live"))
        for turn in range(TURNS):
            self._one_line(turn)
            self._released()
            self._no_service()

    def _first_promotion(self) -> None:
        self._take("first", lambda: self.fleet.project.inv("promote", "staging"))
        if shutil.which("crane"):
            self._take("first, crane", lambda: self.fleet.tagged_by_crane("by-crane"))

    def _copies(self, turn: int) -> None:
        """Copy all images to another registry, and again when nothing is to be copied."""
        environment, path = f"apart-{turn}", f"crane-{turn}"
        copying = {"copy": lambda: self.fleet.project.inv("promote", environment)}
        if shutil.which("crane"):
            copying["copy, crane"] = lambda: self.fleet.copied_by_crane(path)
        self._in_turns(turn, copying)
        self.fleet.change("docs/page.md")
        self.fleet.project.inv("build", "--sha")
        self._in_turns(turn, {name.replace("copy", "again"): copying[name] for name in copying})

    def _one_line(self, turn: int) -> None:
        measurings = {
            "one": self._built,
            "one, floor": self._baked,
            "one, no cache": self._built_without_cache,
        }
        self._in_turns(turn, measurings)
        self._take("tags", lambda: self.fleet.tagged(f"tags-{turn}"))
        self._take("start", lambda: start(self.fleet.project))

    def _built(self) -> Sample:
        self.fleet.project.inv("build", "--sha")
        before = self.fleet.digests()
        self._change()
        sample = self.fleet.project.inv("build", "--sha")
        stayed = sum(old == new for old, new in zip(before, self.fleet.digests(), strict=True))
        self.counts.digests_stayed = min(self.counts.digests_stayed, stayed)
        return sample

    def _baked(self) -> Sample:
        self._change()
        return baked(self.fleet.project, [self.fleet.changing])

    def _built_without_cache(self) -> Sample:
        self._change()
        inv = [*self.fleet.project.program, "build", "--sha"]
        return self.fleet.project.measure("env", "INVOKE_BUILDONCE_CACHE=false", *inv)

    def _released(self) -> None:
        inv, fleet = self.fleet.project.inv, self.fleet
        self._change()
        inv("build", "--sha")
        before = self._writes()
        self._take("promote", lambda: inv("promote", "staging"))
        written = len(self._writes().items() - before.items())
        self.counts.pointers_written = max(self.counts.pointers_written, written)
        inv("promote", "production")
        sha = fleet.project.sha
        self._take("verify", lambda: inv("verify", "--env=staging", "--env=production"))
        self._take("verify, floor", lambda: fleet.read([sha, "staging", "production"]))
        running = fleet.containers()
        self._take("live", lambda: inv("promote", "live"))
        replaced = len(fleet.containers() - running)
        self.counts.containers_replaced = max(self.counts.containers_replaced, replaced)

    def _no_service(self) -> None:
        self.fleet.change("docs/page.md")
        self._take("none", lambda: self.fleet.project.inv("build", "--sha"))

    def _change(self) -> None:
        self.fleet.change(f"{self.fleet.changing}/app.txt")

    def _writes(self) -> dict[Path, int]:
        return self.fleet.project.ground.writes(self.fleet.namespace, "staging")

    def _in_turns(self, turn: int, measurings: dict[str, Callable[[], Sample]]) -> None:
        names = list(measurings)
        for name in names[:: -1 if turn % 2 else 1]:
            self._take(name, measurings[name])

    def _take(self, name: str, measuring: Callable[[], Sample]) -> None:
        self.samples.take(f"{self.fleet.size}, {name}", measuring)
