"""A stack on a Swarm: what its manager says, and when an update is done or lost."""

from dataclasses import replace
from unittest import mock

import pytest

from buildonce.engines.compose.watching import Failing
from buildonce.engines.docker import Docker
from buildonce.engines.parts import Part
from buildonce.engines.swarm.cluster import Stack
from buildonce.engines.swarm.objects import Node, Service, Task
from buildonce.engines.swarm.tasks import rows
from buildonce.engines.swarm.watching import Watch
from tests.kit.clock import Clock

OLD, NEW = (f"r/web@sha256:{letter * 64}" for letter in "ab")
PARTS = {"web": Part("web", NEW, 1, {}, optional=False)}
NODES = {"n1": Node("host1", ready=True), "n2": Node("host2", ready=False)}

TASK = Task(
    id="t-new", service="s", node="n1", image=NEW, desired="running", state="running", message="",
    container="", created="3:00",
)  # fmt: skip
BEFORE = replace(TASK, id="t-old", image=OLD, created="2:00")
SERVICE = Service(
    id="s", name="web", image=NEW, deployed=NEW, wanted=1, job=False, shape={"Image": NEW},
    update="", update_began="",
)  # fmt: skip
FORMER = replace(SERVICE, image=OLD, shape={"Image": OLD})


def stack(*tasks: Task, service: Service = SERVICE) -> Stack:
    return Stack({service.name: service}, tasks, NODES)


NOTHING = Stack({}, (), NODES)
RAN = stack(BEFORE, service=FORMER)


def watch(before: Stack = RAN, clock: Clock | None = None) -> Watch:
    return Watch(PARTS, before, lambda _: None, clock or Clock())


def settles(watching: Watch, after: Stack, clock: Clock) -> bool:
    watching.look(after)
    clock.now += 5
    return watching.look(after) == []


@pytest.mark.parametrize(
    ("before", "after", "done"),
    [
        pytest.param(RAN, stack(TASK), True, id="replaced"),
        pytest.param(NOTHING, stack(TASK), True, id="first"),
        pytest.param(RAN, stack(BEFORE), False, id="not begun"),
        pytest.param(RAN, stack(TASK, BEFORE), False, id="old one still wanted"),
        pytest.param(
            RAN, stack(TASK, replace(BEFORE, desired="shutdown")), False, id="old one still stops"
        ),
        pytest.param(
            RAN, stack(TASK, replace(BEFORE, desired="shutdown", node="n2")), True,
            id="old one on a dead node",
        ),
        pytest.param(RAN, stack(replace(TASK, state="starting")), False, id="not healthy yet"),
        pytest.param(RAN, NOTHING, False, id="no service"),
        pytest.param(
            RAN, stack(TASK, service=replace(SERVICE, update="updating", update_began="3:00")),
            False, id="Swarm still watches it",
        ),
        pytest.param(
            RAN, stack(TASK, service=replace(SERVICE, update="completed", update_began="3:00")),
            True, id="Swarm is content",
        ),
        pytest.param(RAN, stack(TASK, service=replace(SERVICE, wanted=2)), False, id="one of two"),
        pytest.param(
            RAN, stack(replace(TASK, image=OLD), service=FORMER), False, id="not the release's",
        ),
    ],
)  # fmt: skip
def test_an_update_is_done_once_every_task_is_new(before: Stack, after: Stack, done: bool) -> None:
    """All tasks that are wanted run the new service, and Swarm's own watch over them is over."""
    clock = Clock()
    assert settles(watch(before, clock), after, clock) is done


def test_a_new_task_must_stay_up_for_a_while() -> None:
    """A task counts as up only after five seconds, as nothing watches a service's first tasks."""
    clock = Clock()
    watching = watch(NOTHING, clock)
    assert watching.look(stack(TASK))
    clock.now = 4.9
    assert watching.look(stack(TASK))
    clock.now = 5.0
    assert watching.look(stack(TASK)) == []


def test_swarm_gets_time_to_begin() -> None:
    """Tasks that are kept are right for a changed service once Swarm has begun no update."""
    clock = Clock()
    watching = watch(stack(TASK, service=replace(SERVICE, shape={"Env": "old"})), clock)
    assert watching.look(stack(TASK))
    clock.now = 4.9
    assert watching.look(stack(TASK))
    clock.now = 5.0
    assert watching.look(stack(TASK)) == []


def test_a_service_that_somebody_removes_is_not_waited_for() -> None:
    """What was in the stack and is gone will not come up."""
    watching = watch()
    watching.look(stack(replace(TASK, state="starting")))
    with pytest.raises(Failing, match="was removed from the stack"):
        watching.look(NOTHING)


def test_a_job_without_a_node_is_told_while_it_is_waited_for() -> None:
    """A job without a limit waits for ever: what its task waits for is said, and said once."""
    told: list[str] = []
    job = replace(SERVICE, job=True)
    pending = replace(TASK, state="pending", message="no suitable node", node="")
    watching = Watch(PARTS, NOTHING, told.append, Clock())
    for _ in range(2):
        assert watching.look(stack(pending, service=job))
    assert told == ["web is pending (no suitable node), without an answer from host2"]


def test_an_unchanged_service_is_not_waited_for() -> None:
    """Where nothing changes, the tasks from before are up at once."""
    assert watch(stack(TASK)).look(stack(TASK)) == []


def test_an_update_that_failed_earlier_is_forgotten() -> None:
    """What Swarm said about an update before this one neither fails this deploy nor delays it."""
    earlier = replace(SERVICE, update="rollback_completed", update_began="2:00")
    assert watch(stack(TASK, service=earlier)).look(stack(TASK, service=earlier)) == []


@pytest.mark.parametrize("state", ["paused", "rollback_started", "rollback_completed"])
def test_an_update_that_swarm_gave_up_has_failed(state: str) -> None:
    """`stack deploy` may succeed all the same: Swarm's own word on the update is read."""
    lost = replace(FORMER, update=state, update_began="3:00")
    crashed = replace(TASK, state="failed", desired="shutdown", message="non-zero exit (3)")
    with pytest.raises(Failing) as failing:
        watch().look(stack(BEFORE, crashed, service=lost))
    assert failing.value.what.endswith(f"{state.replace('_', ' ')} (non-zero exit (3))")
    assert (failing.value.container, failing.value.host) == ("t-new", "host1")


def test_an_unhealthy_task_that_ends_well_has_failed() -> None:
    """A program that ends with 0 when it is stopped as unhealthy leaves a complete task."""
    lost = replace(FORMER, update="rollback_started", update_began="3:00")
    with pytest.raises(Failing, match="stopped as unhealthy"):
        watch().look(stack(replace(TASK, state="complete", desired="shutdown"), service=lost))


def test_some_failures_are_forgiven() -> None:
    """Services of a stack start in no order: two failures may be another's absence, not three."""
    broken = [replace(TASK, id=f"x{n}", state="failed", desired="shutdown") for n in range(3)]
    assert watch(NOTHING).look(stack(*broken[:2]))
    with pytest.raises(Failing, match="failed 3 times"):
        watch(NOTHING).look(stack(*broken))


def test_a_network_that_a_node_still_has_is_no_failure() -> None:
    """After `stack rm` nodes reject tasks until the former network is gone."""
    words = "invalid pool request: Pool overlaps with other one on this address space"
    rejected = [
        replace(TASK, id=f"x{n}", state="rejected", desired="shutdown", message=words)
        for n in range(4)
    ]
    assert watch(NOTHING).look(stack(*rejected))


def test_failures_from_before_do_not_count() -> None:
    """Only tasks that failed since the deploy began are held against it."""
    broken = [replace(BEFORE, id=f"x{n}", state="failed", desired="shutdown") for n in range(3)]
    assert watch(stack(BEFORE, *broken, service=FORMER)).look(stack(TASK, *broken))


def test_a_job_fails_at_once_and_is_done_when_it_completes() -> None:
    """A job's task runs once: its failure is final, its end is success."""
    job = replace(SERVICE, job=True)
    ended = replace(TASK, desired="complete", state="complete")
    assert watch(NOTHING).look(stack(ended, service=job)) == []
    with pytest.raises(Failing):
        watch(NOTHING).look(stack(replace(ended, state="failed"), service=job))


JOB = replace(SERVICE, job=True, iteration=1, wanted=1)
ONE_SHOT = replace(SERVICE, ends=True, attempts=1)
ENDED = replace(TASK, desired="shutdown", state="complete", slot="1")
ENDED_BEFORE = replace(ENDED, id="t-old", image=OLD, created="2:00")


def test_an_earlier_run_of_a_job_is_no_proof_of_the_latest() -> None:
    """A job is done once its latest run is; what an earlier one ran is not looked at."""
    earlier = replace(ENDED, id="t-old", image=OLD, created="2:00")
    latest = replace(TASK, desired="complete", iteration=1)
    before = stack(earlier, service=replace(FORMER, job=True, iteration=0))
    assert watch(before).look(stack(earlier, latest, service=JOB))
    after = stack(earlier, replace(latest, state="complete"), service=JOB)
    assert watch(before).look(after) == []
    assert problems(*after.tasks, service=JOB) == []


def test_a_task_of_an_earlier_run_that_goes_on_is_stray() -> None:
    """What an earlier run of a job still does is not the release."""
    latest = replace(ENDED, desired="complete", iteration=1)
    left = replace(TASK, id="t-old", image=OLD, desired="remove", created="2:00")
    assert problems(latest, left, service=JOB) == [
        ("host1", "does not belong to the release (running)")
    ]


@pytest.mark.parametrize("update", ["", "paused", "updating"])
def test_a_one_shot_is_done_when_it_ends(update: str) -> None:
    """Where the restart policy says so, 0 is success: Swarm pauses an update for it."""
    service = replace(ONE_SHOT, update=update, update_began="3:00")
    before = stack(ENDED_BEFORE, service=FORMER)
    assert watch(before).look(stack(ENDED_BEFORE, service=replace(service, update="")))
    after = stack(ENDED_BEFORE, ENDED, service=service)
    assert watch(before).look(after) == []
    assert problems(*after.tasks, service=service) == []


@pytest.mark.parametrize("service", [JOB, ONE_SHOT], ids=["job", "one-shot"])
def test_the_first_of_two_that_end_is_no_failure(service: Service) -> None:
    """What may end with 0 and has is waited for until all of it has."""
    two = replace(service, wanted=2)
    first = replace(ENDED, iteration=two.iteration)
    second = replace(first, id="t-second", slot="2", desired="complete", state="running")
    assert watch(NOTHING).look(stack(first, second, service=two))
    assert watch(NOTHING).look(stack(first, replace(second, state="complete"), service=two)) == []


def test_a_one_shot_that_fails_is_final() -> None:
    """Where Swarm starts no second task, one failure ends the deploy."""
    failed = replace(ENDED, state="failed", message="non-zero exit (3)")
    with pytest.raises(Failing, match=r"failed \(non-zero exit \(3\)\)"):
        watch(NOTHING).look(stack(failed, service=ONE_SHOT))


def test_who_ends_without_saying_so_is_told_about_jobs() -> None:
    """A task that ends with 0 again and again fails the deploy, with what to write instead."""
    ended = [replace(ENDED, id=f"x{n}") for n in range(3)]
    with pytest.raises(Failing, match="mode: replicated-job"):
        watch(NOTHING).look(stack(*ended))
    given_up = replace(ONE_SHOT, wanted=2, update="paused", update_began="3:00")
    with pytest.raises(Failing, match="mode: replicated-job"):
        watch(stack(service=FORMER)).look(stack(ENDED, service=given_up))


@pytest.mark.parametrize(
    ("condition", "health", "checked", "ends"),
    [
        ("none", None, False, True),
        ("on-failure", None, False, True),
        ("any", None, False, False),
        ("none", None, True, False),
        ("none", ["NONE"], True, True),
        ("none", ["CMD", "true"], False, False),
    ],
)
def test_who_may_end_with_0(
    condition: str, health: list[str] | None, checked: bool, ends: bool
) -> None:
    """The restart policy says so, and no health check could have stopped it as unhealthy."""
    container = {"Image": NEW, "Healthcheck": {"Test": health} if health else None}
    template = {"ContainerSpec": container, "RestartPolicy": {"Condition": condition}}
    inspected = {"ID": "s", "Spec": {"Name": "shop_web", "TaskTemplate": template}}
    assert Service.read(inspected, "shop", "0/1", checked=checked).ends is ends


def test_what_is_not_up_says_where_and_why() -> None:
    """Out of time, the task that is not up is named with its node and the node's words."""
    pending = replace(TASK, state="pending", message="no suitable node", node="")
    (waiting,) = watch().look(stack(pending))
    silent = ", without an answer from host2,"
    assert (waiting.what, waiting.host) == (f"is pending (no suitable node){silent}", "no node")
    (waiting,) = watch().look(stack(TASK, BEFORE))
    assert waiting.what == f"has 1 new and 1 old tasks{silent}"


def problems(*tasks: Task, service: Service = SERVICE) -> list[tuple[str, str]]:
    """What is wrong in a stack none of whose tasks the manager itself runs."""
    docker = mock.create_autospec(Docker, instance=True)
    docker.inspect.return_value = []
    found = rows(docker, stack(*tasks, service=service), PARTS)
    return [(row.host, row.problem) for row in found if row.problem]


@pytest.mark.parametrize(
    ("task", "found"),
    [
        pytest.param(TASK, [], id="fine"),
        pytest.param(
            replace(TASK, image=OLD), [("host1", "runs aaaaaaaaaaaa, not bbbbbbbbbbbb")], id="old"
        ),
        pytest.param(
            replace(TASK, image="r/web:latest"),
            [("host1", "runs an image whose digest cannot be determined")],
            id="by tag",
        ),
        pytest.param(
            replace(TASK, node="n2"), [("host2", "is unknown (its node is down)")],
            id="node down",
        ),
        pytest.param(
            replace(TASK, state="starting", message="starting"),
            [("host1", "is starting (starting)")],
            id="starting",
        ),
    ],
)  # fmt: skip
def test_a_task_is_as_good_as_its_node_and_its_digest(
    task: Task, found: list[tuple[str, str]]
) -> None:
    """A task passes only where its node answers and was told the right bytes by digest."""
    assert problems(task) == found


def test_a_task_that_should_be_gone_and_is_not_is_stray() -> None:
    """A task that a lost node never reported as ended may still run there."""
    left = replace(BEFORE, desired="shutdown", node="n2")
    (found,) = problems(TASK, left)
    assert found == (
        "host2",
        "does not belong to the release (unknown (its node is down))",
    )


def test_history_is_no_evidence() -> None:
    """Tasks that ended are not what runs."""
    assert problems(TASK, replace(BEFORE, desired="shutdown", state="shutdown")) == []


def test_what_is_missing_has_a_row() -> None:
    """Fewer tasks than wanted, or no service at all, are missing."""
    assert problems(TASK, service=replace(SERVICE, wanted=2)) == [("the stack", "is missing")]
    assert problems(service=replace(SERVICE, name="former", wanted=0)) == [
        ("the stack", "is missing")
    ]


def test_a_service_that_the_definition_does_not_know_is_stray() -> None:
    """What a former release left in the stack is named."""
    former = replace(SERVICE, name="former")
    assert ("host1", "does not belong to the release (running)") in problems(TASK, service=former)
