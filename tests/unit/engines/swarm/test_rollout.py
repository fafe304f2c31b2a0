"""A stack on its way up: what is asked of the manager, and how a deploy fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from buildonce.engines.base import MONITOR, Target
from buildonce.engines.compose.watching import INTERVAL
from buildonce.engines.parts import Part
from buildonce.engines.swarm.rollout import Limit, Rollout
from buildonce.errors import DeployError
from tests.kit.clock import Clock
from tests.kit.samples import digest
from tests.kit.swarm_manager import (
    DEPLOYING,
    NODE,
    NOTED,
    WEB,
    Manager,
    definition,
    manager,
    service,
    task,
)

PART = Part("web", str(WEB), 1, {}, optional=False)
STACK_FILE = f"services: {{web: {{image: '{WEB}'}}}}"
OTHER = str(WEB.repository.at(digest("other")))


def rollout(there: Manager, still_ours: Callable[[], None] = lambda: None) -> Rollout:
    clock = Clock()
    return Rollout(definition(there), lambda _: None, still_ours, clock, clock.pause)


def failed(there: Manager, limit: Limit | None = None) -> DeployError:
    with pytest.raises(DeployError) as failure:
        rollout(there).run(STACK_FILE, {"web": PART}, limit=limit)
    return failure.value


def test_a_stack_is_deployed_and_waited_for() -> None:
    """It is up after it stayed up for a while; between looks the promotion must still be ours."""
    looks: list[str] = []
    there = manager()
    rollout(there, lambda: looks.append("ours")).run(STACK_FILE, {"web": PART}, "--prune")
    assert there.changes() == [f"{DEPLOYING} --prune shop"]
    assert len(looks) >= MONITOR / INTERVAL


@pytest.mark.parametrize(
    ("complaint", "hint"),
    [
        ("rpc error: only updates to Labels are allowed", "Swarm cannot change a secret"),
        ("no such network", ""),
    ],
)
def test_what_swarm_refuses_is_told(complaint: str, hint: str) -> None:
    """A secret that cannot be changed has a remedy of its own."""
    error = failed(manager(refusals={"stack deploy": complaint}))
    assert str(error) == f"the local engine: Swarm rejected the release: {complaint}"
    assert error.hint.startswith(hint)
    assert bool(error.hint) is bool(hint)


def test_an_image_that_was_changed_by_other_means_is_set_again() -> None:
    """`stack deploy` keeps it where its own note has the image: that note is removed."""
    changed, kept = service("web", OTHER), service("store", "valkey:8")
    changed["Spec"]["Labels"][NOTED] = str(WEB)
    there = manager()
    there.add(changed, task(changed), kept, task(kept))
    rollout(there).run(STACK_FILE, {"web": PART})
    forgotten = f"service update --detach --label-rm {NOTED} {changed['ID']}"
    assert [call for call in there.changes() if "update" in call] == [forgotten]


def test_what_is_not_up_in_time_is_named_with_its_log() -> None:
    """The time is the deploy's own, unless another one is given with the setting that says so."""
    target = Target("production", "swarm", project="shop", timeout=9)
    there = manager(target, outcomes={"web": "starting"})
    error = failed(there)
    assert str(error) == "web on host1 is starting (said starting) after 9 s"
    assert error.log == ("last words",)
    assert "service logs --raw shop_web.9" in there.calls
    assert error.hint == "docker service ps --no-trunc shop_web"
    other = failed(there, Limit(3, ", as pre_deploy.timeout says"))
    assert str(other).endswith(" after 3 s, as pre_deploy.timeout says")


def test_a_task_is_shown_before_what_has_none() -> None:
    """Of several services that are not up, one with a task says more."""
    there = manager(outcomes={"web": "starting"})
    parts = {"store": Part("store", "valkey:8", 1, {}, optional=False), "web": PART}
    with pytest.raises(DeployError, match="web on host1 is starting"):
        rollout(there).run(STACK_FILE, parts, limit=Limit(0))
    with pytest.raises(DeployError, match="store on the local engine is not in the stack"):
        rollout(there).run(STACK_FILE, {"store": parts["store"]}, limit=Limit(0))
    assert not any("logs" in call for call in there.calls[-3:])


def test_a_task_without_a_node_has_no_log() -> None:
    """Nothing ran anywhere: what Swarm says of the task is all there is."""
    pending: dict[str, Any] = {"State": "pending", "Message": "no suitable node"}
    there = manager()
    web = service("web", str(WEB))
    there.add(web, task(web, node="", Status=pending))
    with pytest.raises(DeployError) as failure:
        rollout(there).wait(PART, Limit(0))
    assert str(failure.value) == "web on no node is pending (no suitable node) after 0 s"
    assert failure.value.log == ()
    assert not any(call.startswith("service logs") for call in there.calls)


def test_a_part_that_is_up_is_not_waited_for() -> None:
    """What somebody else has deployed is judged as it is found, and nothing is deployed."""
    job = service("web", str(WEB), mode="ReplicatedJob")
    there = manager(objects={"node": [NODE]})
    there.add(job, task(job, "complete"))
    rollout(there).wait(PART, Limit(0))
    assert there.changes() == []


def test_secrets_stay_out_of_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a variable's value brings into Swarm's own words is hidden."""
    monkeypatch.setenv("TOKEN", "hunter22")
    there = manager(refusals={"stack deploy": "invalid value hunter22"})
    bundle = "services: {web: {image: '${BUILDONCE_IMAGE_WEB}', command: '${TOKEN}'}}"
    with pytest.raises(DeployError) as failure:
        Rollout(definition(there, bundle), lambda _: None).run(STACK_FILE, {"web": PART})
    assert "hunter22" not in str(failure.value)
    assert "invalid value ***" in str(failure.value)
