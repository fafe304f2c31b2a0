"""What is read of a namespace, and with how many calls."""

from __future__ import annotations

import json
from typing import Any

from buildonce.engines.base import Target
from buildonce.engines.kubernetes.kubectl import Kubectl, Refused
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.state import live

TARGET = Target("production", "kubernetes", host="lab", namespace="shop", project="shop")


class Recorded(Kubectl):
    """A kubectl of a cluster that has every object of the kinds that it knows."""

    calls: list[list[str]]

    def items(self, *arguments: str, text: str = "") -> list[dict[str, Any]]:
        wanted: list[dict[str, Any]] = json.loads(text)["items"]
        self.calls.append([one["metadata"]["name"] for one in wanted])
        if any(one["kind"] == "Rollout" for one in wanted):
            raise Refused('no matches for kind "Rollout" in version "argoproj.io/v1alpha1"')
        return wanted


def kubectl() -> Recorded:
    made = Recorded(TARGET)
    object.__setattr__(made, "calls", [])
    return made


def manifest(kind: str, name: str, version: str = "v1") -> Manifest:
    return Manifest({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "data": {}})


def test_a_hundred_objects_are_read_with_one_call() -> None:
    """However many there are, one process reads them."""
    wanted = [manifest("ConfigMap", f"c{number}") for number in range(100)]
    calls = kubectl()
    assert list(live(calls, wanted)) == [one.key for one in wanted]
    assert len(calls.calls) == 1


def test_a_kind_that_the_cluster_has_not_has_no_objects() -> None:
    """A definition (CRD) that is not installed, or not any more, hides no other object."""
    wanted = [
        manifest("ConfigMap", "settings"),
        manifest("Rollout", "api", "argoproj.io/v1alpha1"),
    ]
    assert list(live(kubectl(), wanted)) == [wanted[0].key]
