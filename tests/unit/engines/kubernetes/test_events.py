"""What the cluster's events say, and which of them are new."""

from __future__ import annotations

from typing import Any

from buildonce.engines.kubernetes import events
from buildonce.engines.kubernetes.events import Events
from buildonce.engines.kubernetes.kubectl import Refused
from tests.kit.recorded_kubectl import Object, Recorded, thing

POD = "pod/api-1"


def event(name: str, message: str, of: str = POD, **rest: Any) -> Object:
    involved = {"uid": of} if of else None
    return thing(
        "Event", name, message=message, reason="Failed", involvedObject=involved, **rest
    )  # fmt: skip


def read(*items: Object) -> Events:
    return events.read(Recorded(answers={"get events --field-selector=type=Warning": items}))


def test_events_that_may_not_be_read_are_none() -> None:
    """They explain what fails; without them a deploy goes on."""
    kubectl = Recorded(answers={"get events": Refused("(Forbidden)")})
    assert events.read(kubectl).since(Events({})) == {}


def test_messages_are_by_object_and_on_one_line() -> None:
    """A message of several lines would not fit where it is shown."""
    found = read(
        event("a", "pull:\n  denied"), event("b", "lost", of="node/n1"), event("c", "x", "")
    )
    assert found.since(Events({})) == {
        POD: ["Failed: pull: denied"], "node/n1": ["Failed: lost"], "": ["Failed: x"],
    }  # fmt: skip


def test_an_event_is_new_where_it_was_seen_again() -> None:
    """Counted by itself, or as a series; one that has not happened again is old."""
    before = read(
        event("a", "again", count=1), event("b", "old", count=2),
        event("c", "series", series={"count": 4}), event("d", "once"),
    )  # fmt: skip
    now = read(
        event("a", "again", count=2), event("b", "old", count=2),
        event("c", "series", series={"count": 5}), event("d", "once"), event("e", "first"),
    )  # fmt: skip
    assert sorted(now.since(before)[POD]) == ["Failed: again", "Failed: first", "Failed: series"]


def test_the_newest_event_is_the_last() -> None:
    """By when it was seen last, wherever the API has that."""
    found = read(
        event("a", "5", series={"lastObservedTime": "T5"}, lastTimestamp="T0", eventTime="T0"),
        event("b", "4", metadata={"creationTimestamp": "T4"}),
        event("c", "3", lastTimestamp=None, eventTime="T3", metadata={"creationTimestamp": "T9"}),
        event("d", "2", lastTimestamp="T2", eventTime="T9"),
    )  # fmt: skip
    assert found.since(Events({}))[POD] == ["Failed: 2", "Failed: 3", "Failed: 4", "Failed: 5"]
