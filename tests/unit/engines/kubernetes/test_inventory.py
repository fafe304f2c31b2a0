"""What a project has in its namespace, as it is written down there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from buildonce.engines.kubernetes.inventory import Entry, Inventory
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.state import LABEL
from tests.kit.recorded_kubectl import LIVE, Object, Recorded, thing

LIST = "get configmap buildonce-shop --ignore-not-found"
A = Entry("v1", "ConfigMap", "a", "configmap/a")
B = Entry("v1", "ConfigMap", "b", "configmap/b")


def listed(*entries: Entry) -> Object:
    """The ConfigMap that lists these."""
    objects = json.dumps([vars(one) for one in entries])
    return thing("ConfigMap", "buildonce-shop", data={"objects": objects})


def inventory(*entries: Entry, found: tuple[Object, ...] = ()) -> tuple[Inventory, Recorded]:
    """A list of these, in a namespace with these objects."""
    kubectl = Recorded(answers={LIST: listed(*entries), LIVE: found, "apply": ""})
    return Inventory(kubectl, "shop"), kubectl


def written(kubectl: Recorded) -> list[dict[str, Any]]:
    """What the list was made to have."""
    (body,) = kubectl.inputs("apply --server-side --field-manager=buildonce --force-conflicts")
    assert body["metadata"] == {"name": "buildonce-shop"}
    entries: list[dict[str, Any]] = json.loads(body["data"]["objects"])
    return entries


def ours(name: str = "a", kind: str = "ConfigMap", **metadata: Any) -> Object:
    return thing(kind, name, metadata={"labels": {LABEL: "shop"}, **metadata})


def test_a_project_that_was_never_deployed_has_no_list() -> None:
    """It is as good as an empty one."""
    assert Inventory(Recorded(answers={LIST: ""}), "shop").read() == []


def test_objects_are_listed_before_and_after_they_exist() -> None:
    """The UID is noted once there is one; what is listed stays listed."""
    made, kubectl = inventory(A)
    made.add([Entry.of(Manifest(thing("Service", "web")), None)])
    assert [(one["name"], one["uid"]) for one in written(kubectl)] == [
        ("a", "configmap/a"), ("web", ""),
    ]  # fmt: skip
    made, kubectl = inventory(Entry("v1", "ConfigMap", "a"), B)
    made.add([Entry.of(Manifest(thing("ConfigMap", "a")), thing("ConfigMap", "a"))])
    assert [one["uid"] for one in written(kubectl)] == ["configmap/a", "configmap/b"]


def test_a_list_that_says_it_already_is_not_written() -> None:
    """A deploy that changes nothing changes nothing there."""
    made, kubectl = inventory(A, B)
    made.add([B])
    made.forget_all_but([A.manifest, B.manifest])
    assert kubectl.lines("apply") == []


def test_what_the_release_has_not_is_forgotten() -> None:
    """The objects of the release stay listed."""
    made, kubectl = inventory(A, B)
    made.forget_all_but([B.manifest])
    assert [one["name"] for one in written(kubectl)] == ["b"]


@pytest.mark.parametrize(
    ("entry", "item", "left"),
    [
        (A, ours(), True),
        (Entry("v1", "ConfigMap", "a"), ours(), True),
        (A, ours(uid="another"), False),
        (A, thing("ConfigMap", "a"), False),
        (A, ours(ownerReferences=[{"kind": "Owner", "name": "x", "controller": True}]), False),
        (A, None, False),
        (
            Entry("v1", "PersistentVolumeClaim", "data"),
            ours("data", "PersistentVolumeClaim"),
            False,
        ),
    ],
)
def test_only_what_is_provably_ours_is_left_over(
    entry: Entry, item: Object | None, left: bool
) -> None:
    """Listed, the very object that was noted, with our label, of no other owner, and no data."""

    def found(text: str) -> list[Object]:
        asked = {one["metadata"]["name"] for one in json.loads(text)["items"]}
        return [one for one in (item,) if one and one["metadata"]["name"] in asked]

    kubectl = Recorded(answers={LIST: listed(entry, B), LIVE: found})
    assert Inventory(kubectl, "shop").leftovers([B.manifest]) == ([item] if left else [])


def test_what_the_release_has_is_not_left_over() -> None:
    """It is not even asked for."""
    made, kubectl = inventory(A)
    assert made.leftovers([A.manifest]) == []
    assert kubectl.lines(LIVE) == []
