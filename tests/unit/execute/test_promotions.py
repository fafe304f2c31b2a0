"""What a promotion's steps see of the engine."""

from dataclasses import replace
from typing import Any

import pytest

from buildonce.engines.base import Running
from buildonce.errors import DifferenceError
from buildonce.execute.promotions import Promotions
from buildonce.execute.run import Run
from buildonce.plan.steps import LookAgain
from tests.kit.samples import engine, release

NOBODY: Any = None
FINE = Running("host-1", "api", "shop-api-1", None, "running")
CHANGED = Running("host-1", "api", "shop-api-2", None, "exited")


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of each wait, none of which is waited."""
    seconds: list[float] = []
    monkeypatch.setattr("time.sleep", seconds.append)
    return seconds


def look_again(*containers: Running) -> None:
    """Look at an environment that runs these."""
    running = replace(engine(release(1)), containers=containers)
    promotions = Promotions(NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, NOBODY)
    promotions.look_again(LookAgain(running), Run())


def test_a_second_look_comes_after_the_loser_has_noticed(waited: list[float]) -> None:
    """Whoever lost the lock looks at it every ten seconds: the second look comes later."""
    look_again(FINE)
    assert len(waited) == 1
    assert waited[0] > 10


def test_a_second_look_names_what_was_changed(waited: list[float]) -> None:
    """A container that somebody changed after the way back is a difference, with what to run."""
    with pytest.raises(DifferenceError, match=r"put back.*shop-api-2.*is exited") as caught:
        look_again(FINE, CHANGED)
    assert caught.value.hint == "inv verify --env staging"
