"""What a Compose engine is asked and answers, broken off and held up: never a false success.

A sample of fixed size by default; far more where BUILDONCE_FAULTS is "all" (`nox -s faults`).
"""

from __future__ import annotations

import random
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import lab
from buildonce.engines.base import Target
from buildonce.errors import BuildonceError
from buildonce.refs import ImageRef
from tests.kit.connection_proxy import FAULTS, ConnectionProxy
from tests.kit.figures import Figures
from tests.kit.hosts import Place
from tests.kit.nightly import IN_FULL
from tests.kit.shop import Shop

SAMPLE, MANY, SEED = 8, 60, 1
REFUSALS = {6, 8}
"""Exit codes of what a fault may come to: no answer, or a deploy that failed, to be put back."""

DEFINITION = """\
services:
  web: {image: "${BUILDONCE_IMAGE_WEB:?}", stop_grace_period: 1s}
"""

Images = dict[str, ImageRef]


@dataclass(frozen=True)
class Case:
    """A deploy with one fault."""

    fault: str
    first: int
    lasting: bool


@dataclass
class Stage:
    """A host, seen directly and by way of the proxy; its releases take turns."""

    proxy: ConnectionProxy
    direct: Place
    spoilt: Place
    releases: list[Images]

    def next_release(self) -> Images:
        """The release that does not run."""
        self.releases.reverse()
        return self.releases[0]

    def events(self) -> int:
        """How much a deploy asks and hears where nothing is spoilt."""
        with self.proxy.spoiling(None, lasting=False):
            self.spoilt.deploy(self.next_release())
        return self.proxy.events

    def run(self, case: Case) -> int:
        """Deploy the next release with a fault; return the exit code that it comes to."""
        with self.proxy.spoiling(FAULTS[case.fault], case.first, lasting=case.lasting):
            try:
                self.spoilt.deploy(self.next_release(), within=20)
            except BuildonceError as error:
                return error.exit_code
        return 0

    def problems(self, code: int) -> list[str]:
        """What is wrong after a deploy that ended so; one that failed is tried again first."""
        if code not in {0, *REFUSALS}:
            return [f"exit code {code}"]
        if code:
            self.direct.deploy(self.releases[0])
        return [f"{name}: {what}" for name, what in self.direct.problems(self.releases[0]).items()]


@pytest.fixture
def stage(hosts: lab.Lab, shop: Shop, tmp_path: Path) -> Iterator[Stage]:
    (tmp_path / "files").mkdir()
    file = tmp_path / "files/compose.yaml"
    file.write_text(DEFINITION)
    host = hosts.hosts["host3"]
    target = Target("production", "compose", host, f"shop{secrets.token_hex(3)}")
    releases = [{"web": shop.image("web", version)} for version in ("one", "two")]
    with ConnectionProxy.before(host) as proxy:
        direct = Place(target, file, "")
        stage = Stage(proxy, direct, replace_host(direct, proxy.address), releases)
        yield stage
    direct.docker("rm", "--force", *direct.ids("web"))


def replace_host(place: Place, host: str) -> Place:
    """The same place, by another address."""
    return replace(place, target=replace(place.target, host=host))


def _cases(events: int) -> list[Case]:
    everything = [
        Case(fault, first, lasting)
        for fault in FAULTS
        for first in range(events)
        for lasting in (False, True)
        if not (lasting and fault == "stall")
    ]
    size = MANY if IN_FULL else SAMPLE
    return random.Random(SEED).sample(everything, min(size, len(everything)))


@pytest.mark.nightly
def test_no_fault_of_the_engine_makes_a_false_success(stage: Stage, figures: Figures) -> None:
    """What succeeds runs; what fails is the engine's failure, and the next deploy makes it good."""
    stage.direct.deploy(stage.next_release())
    outcomes: Counter[str] = Counter()
    problems: dict[Case, list[str]] = {}
    for case in _cases(stage.events()):
        code = stage.run(case)
        outcomes[f"exit {code}, {'lasting' if case.lasting else 'once'}"] += 1
        if found := stage.problems(code):
            problems[case] = [*found, f"exit {code}"]
    figures("faults of the engine", cases=sum(outcomes.values()), **outcomes)
    assert problems == {}
