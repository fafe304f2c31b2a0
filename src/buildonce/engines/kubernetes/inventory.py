"""What a project has in its namespace, written down there before anything is applied.

A ConfigMap, ``buildonce-PROJECT``, lists each object with its UID. What an earlier release had
and this one has not is removed only where the list has it, the object has our label and no
other owner, and the UID is the one that was noted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from buildonce.engines.kubernetes.kubectl import MANAGER, Kubectl
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.ownership import is_ours
from buildonce.engines.kubernetes.state import live

KEPT = frozenset({"PersistentVolumeClaim", "PersistentVolume", "Namespace"})
"""Kinds that are never removed, for data would go with them."""


@dataclass(frozen=True)
class Entry:
    """One object of the list; ``uid`` is empty until it was applied."""

    api_version: str
    kind: str
    name: str
    uid: str = ""

    @classmethod
    def of(cls, manifest: Manifest, live: Mapping[str, Any] | None) -> Entry:
        """Return the entry of an object."""
        uid = live["metadata"]["uid"] if live else ""
        return cls(manifest.api_version, manifest.kind, manifest.name, uid)

    @property
    def manifest(self) -> Manifest:
        """What names the object, and nothing else of it."""
        body = {"apiVersion": self.api_version, "kind": self.kind}
        return Manifest({**body, "metadata": {"name": self.name}})


@dataclass(frozen=True)
class Inventory:
    """The list of one project."""

    kubectl: Kubectl
    project: str

    @property
    def name(self) -> str:
        """The ConfigMap's name."""
        return f"buildonce-{self.project}"

    def read(self) -> list[Entry]:
        """Return what is listed.

        Raises:
            UnavailableError: the API does not answer, or refuses.
        """
        found = self.kubectl.item("get", "configmap", self.name, "--ignore-not-found")
        listed = json.loads(found["data"]["objects"]) if found else []
        return [Entry(**entry) for entry in listed]

    def add(self, entries: Iterable[Entry]) -> None:
        """Have these objects in the list, with the UIDs that they have now.

        Raises:
            UnavailableError: the API does not answer, or refuses.
        """
        before = self.read()
        listed = {entry.manifest.key: entry for entry in before}
        listed |= {entry.manifest.key: entry for entry in entries}
        self._write(before, list(listed.values()))

    def forget_all_but(self, kept: Iterable[Manifest]) -> None:
        """Take everything else out of the list.

        Raises:
            UnavailableError: the API does not answer, or refuses.
        """
        keys, before = {manifest.key for manifest in kept}, self.read()
        self._write(before, [entry for entry in before if entry.manifest.key in keys])

    def _write(self, before: Sequence[Entry], entries: Sequence[Entry]) -> None:
        if list(before) == list(entries):
            return
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self.name},
            "data": {"objects": json.dumps([asdict(entry) for entry in entries], indent=0)},
        }
        options = ("--server-side", f"--field-manager={MANAGER}", "--force-conflicts")
        self.kubectl.run("apply", *options, "--filename=-", text=json.dumps(body))

    def leftovers(self, kept: Iterable[Manifest]) -> list[Mapping[str, Any]]:
        """Return listed objects that exist, are provably ours, and are not among those kept.

        Raises:
            UnavailableError: the API does not answer, or refuses.
        """
        keys = {manifest.key for manifest in kept}
        gone = [entry for entry in self.read() if entry.manifest.key not in keys]
        found = live(self.kubectl, [one.manifest for one in gone if one.kind not in KEPT])
        pairs = [(entry, found.get(entry.manifest.key)) for entry in gone]
        return [
            item
            for entry, item in pairs
            if item is not None
            and is_ours(item, self.project)
            and entry.uid in ("", item["metadata"]["uid"])
        ]
