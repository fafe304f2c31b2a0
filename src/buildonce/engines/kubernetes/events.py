"""What the cluster's events say of objects that do not come up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from buildonce.engines.kubernetes.kubectl import Kubectl, Refused


@dataclass(frozen=True)
class Events:
    """Warnings, by the event's own UID, with how often each was seen."""

    items: Mapping[str, Mapping[str, Any]]

    def since(self, before: Events) -> dict[str, list[str]]:
        """Return what is new, by the UID of the object that it concerns, the newest last."""
        found: dict[str, list[str]] = {}
        fresh = [
            item
            for uid, item in self.items.items()
            if uid not in before.items or _count(before.items[uid]) < _count(item)
        ]
        for item in sorted(fresh, key=_time):
            concerned = (item.get("involvedObject") or {}).get("uid", "")
            message = " ".join(str(item.get("message", "")).split())
            found.setdefault(concerned, []).append(f"{item.get('reason', '')}: {message}")
        return found


def read(kubectl: Kubectl) -> Events:
    """Return the namespace's warnings; none where they may not be read.

    Raises:
        UnavailableError: the API does not answer.
    """
    try:
        items: Sequence[Mapping[str, Any]] = kubectl.items(
            "get", "events", "--field-selector=type=Warning"
        )
    except Refused:
        items = ()
    return Events({item["metadata"]["uid"]: item for item in items})


def _count(item: Mapping[str, Any]) -> int:
    series = item.get("series") or {}
    return int(item.get("count") or series.get("count") or 1)


def _time(item: Mapping[str, Any]) -> str:
    series = item.get("series") or {}
    return str(
        series.get("lastObservedTime")
        or item.get("lastTimestamp")
        or item.get("eventTime")
        or item["metadata"].get("creationTimestamp")
    )
