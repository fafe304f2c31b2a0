"""What a promotion's steps see of the engine."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from buildonce.engines.base import Running
from buildonce.errors import DeployError, DifferenceError
from buildonce.execute.promotions import Promotions
from buildonce.execute.run import Run
from buildonce.plan.steps import Confirm, LookAgain
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
    with pytest.raises(DifferenceError, match=r"restored.*shop-api-2.*is exited") as caught:
        look_again(FINE, CHANGED)
    assert caught.value.hint == "inv verify --env staging"


def confirm(*containers: Running) -> tuple[Run, list[str]]:
    """Confirm a deployment of these containers; the run, and what was noted."""
    notes: list[str] = []
    progress: Any = SimpleNamespace(note=notes.append)
    running = replace(engine(release(1)), containers=containers)
    promotions = Promotions(NOBODY, NOBODY, progress, NOBODY, NOBODY, NOBODY)
    return promotions.confirm(Confirm(running), Run()), notes


def test_what_was_deployed_is_kept() -> None:
    """Where all containers run, how they were deployed goes into the ledger, and nobody is told."""
    run, notes = confirm(FINE)
    assert run.deployed_by is not None
    assert run.deployed_by.bundle == f"bundle of {release(1).sha}"
    assert notes == []


def test_a_container_that_does_not_run_ends_the_deploy() -> None:
    """It is named with its host and how it is, and what to run next."""
    with pytest.raises(DeployError, match=r"api on host-1 \(shop-api-2\) is exited") as caught:
        confirm(FINE, CHANGED)
    assert caught.value.hint == "inv verify --env staging"


def test_a_container_of_others_is_pointed_out() -> None:
    """It does not end the deploy: nobody may take it away but whoever put it there."""
    run, notes = confirm(FINE, replace(CHANGED, stray=True))
    assert run.deployed_by is not None
    assert len(notes) == 1
    assert notes[0].startswith("api on host-1 (shop-api-2) ")
