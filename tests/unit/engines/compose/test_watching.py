"""When the containers of a Compose project are up, and when they will not be."""

from dataclasses import replace

import pytest

from buildonce.engines.compose.watching import Failing, Stopped, Watch, completed, slowest
from buildonce.engines.inspected import Container
from buildonce.engines.parts import Part
from tests.kit.clock import Clock

WEB = Container(
    id="new", name="shop-web-1", service="web", number=1, one_off=False, image="", state="healthy",
    exit_code=0, restarts=0, started_at="3:00",
)  # fmt: skip
PARTS = {"web": Part("web", "", 1, {}, optional=False)}


def watch(*before: Container, clock: Clock | None = None) -> Watch:
    return Watch(PARTS, {one.id: one for one in before}, lambda _: None, clock or Clock())


def test_a_new_container_must_stay_up_for_a_while() -> None:
    """A deploy is done once a container has been healthy for five seconds, however slow it was."""
    clock = Clock()
    watched = watch(clock=clock)
    assert watched.look([replace(WEB, state="starting")], applied=True)
    clock.now = 60
    assert watched.look([WEB], applied=True)
    clock.now = 64.9
    assert watched.look([WEB], applied=True)
    clock.now = 65
    assert watched.look([WEB], applied=True) == []


def test_the_while_begins_anew_with_each_start() -> None:
    """Time before a restart does not count, even where the engine's count of restarts is lost."""
    clock = Clock()
    watched = watch(clock=clock)
    watched.look([WEB], applied=True)
    clock.now = 5.0
    assert watched.look([replace(WEB, started_at="3:05")], applied=True)


def test_what_was_up_before_is_up() -> None:
    """A container that is kept is not waited for."""
    assert watch(WEB).look([WEB], applied=True) == []


def test_what_was_up_before_and_started_again_is_new() -> None:
    """A kept container that was started again has to stay up like a new one."""
    assert watch(WEB).look([replace(WEB, started_at="3:05")], applied=True)


def test_nothing_is_up_before_the_change_is_made() -> None:
    """What Compose may still replace is not judged: an old container that ends is no failure."""
    old = replace(WEB, id="old")
    watched = watch(old)
    assert watched.look([replace(old, state="exited")], applied=False) == []


def test_a_service_without_a_container_is_waited_for() -> None:
    """A service that has no container at all is not up."""
    (waiting,) = watch().look([], applied=True)
    assert waiting.after(60).what == "has no container after 60 s"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"state": "unhealthy"}, "is unhealthy"),
        ({"state": "restarting", "exit_code": 3}, "crashed (exit code 3)"),
        ({"state": "healthy", "restarts": 1}, "crashed"),
        ({"state": "exited", "exit_code": 1}, "ended (exit code 1)"),
        ({"state": "exited"}, "ended"),
        ({"state": "dead"}, "ended"),
    ],
)
def test_what_will_not_come_up_is_said_at_once(change: dict[str, object], what: str) -> None:
    """A container that failed ends the wait, with words for what it did."""
    with pytest.raises(Failing) as failing:
        watch().look([replace(WEB, **change)], applied=True)  # type: ignore[arg-type]
    assert (failing.value.service, failing.value.what) == ("web", what)


def test_a_stop_from_elsewhere_is_told_apart() -> None:
    """A kept container that ends did not fail to come up; a new one that ends did."""
    ended = replace(WEB, state="exited")
    with pytest.raises(Stopped):
        watch(WEB).look([ended], applied=True)
    with pytest.raises(Failing) as failing:
        watch().look([ended], applied=True)
    assert not isinstance(failing.value, Stopped)


def test_restarts_from_before_are_forgiven() -> None:
    """Only restarts since the deploy began count."""
    known = replace(WEB, restarts=7)
    assert watch(known).look([known], applied=True) == []
    with pytest.raises(Failing):
        watch(known).look([replace(WEB, restarts=8)], applied=True)


def test_a_job_that_others_wait_for_is_done_when_it_ends() -> None:
    """A container that ended well is up where another service waits for exactly that."""
    ended = replace(WEB, state="exited")
    waits = Part("jobs", "", 0, {"web": "service_completed_successfully"}, optional=False)
    assert completed(ended, {**PARTS, "jobs": waits})
    assert not completed(replace(ended, exit_code=1), {**PARTS, "jobs": waits})
    assert not completed(ended, PARTS)


def test_a_service_that_ends_by_its_restart_policy_is_done_when_it_ends() -> None:
    """Ended with 0 is up where the definition says that the service comes to an end."""
    ends = {"web": Part("web", "", 1, {}, optional=False, ends=True)}
    ended = replace(WEB, state="exited")
    assert completed(ended, ends)
    assert not completed(replace(ended, exit_code=1), ends)
    assert Watch(ends, {}, lambda _: None).look([ended], applied=True) == []


def test_one_off_containers_and_strangers_are_not_waited_for() -> None:
    """Containers that no service accounts for neither fail a deploy nor hold it up."""
    one_off = replace(WEB, id="x", one_off=True, state="exited", exit_code=1)
    stranger = replace(WEB, id="y", service="former", state="unhealthy")
    assert watch(WEB).look([WEB, one_off, stranger], applied=True) == []


def test_the_slowest_is_the_one_that_the_others_wait_for() -> None:
    """Out of time, the one that runs and is not up is blamed, not the one it keeps waiting."""
    created = replace(WEB, id="b", service="jobs", state="created")
    waiting = watch().look([created, replace(WEB, state="starting")], applied=False)
    assert slowest(waiting).service == "web"
