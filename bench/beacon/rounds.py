"""A round of measuring: everything in turns, and the other way round in the next one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import old
from bench.floor import baked, start
from bench.ground import Ground, Project
from bench.measure import Sample, Samples
from demo.scratch import Scratch

from . import workloads

WARM_TURNS = 3
API = "api/src/beacon_api/page.py"
LIBS = "libs/src/beacon_libs/models.py"
BUILT = {API: ("api",), LIBS: ("api", "worker")}
"""What is built after a change of a file."""

LEGACY = Path(__file__).with_name("legacy")
OLD = {name: str(LEGACY / f"{name}.Dockerfile") for name in ("api", "worker")}
"""The Dockerfiles of the workflow that is replaced."""

Measuring = Callable[[], Sample]


class Round:
    """One of Beacon's rounds; the samples hear of everything that was measured.

    It has a clone with a ledger, and image repositories, of its own: an image that another
    round has built is not found.
    """

    def __init__(self, ground: Ground, samples: Samples, number: int) -> None:
        folder = ground.folder / f"round{number}"
        folder.mkdir()
        images = f"{{registry}}/round{number}/{{service}}"
        self._project = Project(ground, Scratch.make(folder).clone, images)
        self._samples = samples
        self._number = number
        self._changes = 0

    def play(self) -> None:
        """Measure everything."""
        self._cold()
        for turn in range(WARM_TURNS):
            self._warm(turn + self._number)
            self._released()
        self._on_new_runners(self._number)

    def _cold(self) -> None:
        self._project.ground.renew_runner()
        self._change(API)
        self._samples.take("cold", lambda: self._project.inv("build", "--sha"))

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
        inv, take = self._project.inv, self._samples.take
        self._change(API)
        inv("build", "--sha")
        take("start", lambda: start(self._project))
        take("version", lambda: inv("--version"))
        take("nothing", lambda: inv("build", "--sha"))
        take("promote", lambda: inv("promote", "staging"))
        take("promote", lambda: inv("promote", "production"))
        take("verify", lambda: inv("verify"))
        if shutil.which("skopeo"):
            self._released_by_skopeo("skopeo-staging", "skopeo-production")

    def _released_by_skopeo(self, *tags: str) -> None:
        for tag in tags:
            promote = partial(workloads.skopeo_promote, self._project, tag)
            self._samples.take("promote, skopeo", promote)
        verify = partial(workloads.skopeo_verify, self._project, *tags)
        self._samples.take("verify, skopeo", verify)

    def _on_new_runners(self, turn: int) -> None:
        def built() -> Sample:
            self._project.ground.renew_runner()
            return self._built_after(API)

        def bake() -> Sample:
            self._project.ground.renew_runner()
            return self._baked_after(API)

        def legacy() -> Sample:
            self._change(API)
            return old.workflow(self._project, OLD)

        self._in_turns(turn, {"fresh, floor": bake, "fresh": built, "legacy": legacy})

    def _built_after(self, path: str) -> Sample:
        self._change(path)
        return self._project.inv("build", "--sha")

    def _baked_after(self, path: str) -> Sample:
        self._change(path)
        return baked(self._project, BUILT[path])

    def _change(self, path: str) -> None:
        self._changes += 1
        with (self._project.clone / path).open("a", encoding="utf-8") as file:
            file.write(f"CHANGE = {self._changes}\n")
        self._project.commit(f"Change {self._changes}")

    def _in_turns(self, turn: int, measurings: dict[str, Measuring]) -> None:
        names = list(measurings)
        for name in names[:: -1 if turn % 2 else 1]:
            self._samples.take(name, measurings[name])
