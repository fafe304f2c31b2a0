"""kubectl without a cluster: recorded answers in its place, and objects as an API server has them.

The UID of an object here is ``kind/name``.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from buildonce.engines.base import Deployment, Files, Target
from buildonce.engines.kubernetes.kubectl import CALL, Kubectl
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.ownership import marked
from buildonce.engines.kubernetes.state import REVISION, WATCHED
from buildonce.errors import UnavailableError
from buildonce.refs import ImageRef

TARGET = Target("production", "kubernetes", host="lab", namespace="shop", project="shop")
NEW, OLD = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
IMAGE = f"r.example.org/api@{NEW}"

READ = f"get {','.join(WATCHED)}"
"""The call that reads the state of a namespace."""

LIVE = "get --ignore-not-found --show-managed-fields --filename=-"
"""The call that reads objects by name."""

SILENCE = UnavailableError("the Kubernetes API does not answer")

Object = dict[str, Any]
Answer = str | Object | Sequence[Object] | Exception | Callable[[str], Any]
"""What is printed: a text, an object, a list of them, or what is made of the input. Or an error."""


class Turns:
    """Answers that are given one after the other; the last one from then on."""

    def __init__(self, *answers: Answer) -> None:
        self._left = list(answers)

    def next(self) -> Answer:
        return self._left.pop(0) if len(self._left) > 1 else self._left[0]


Answers = Mapping[str, Answer | Turns]
"""Answers by how the command lines begin that are answered so."""


@dataclass(frozen=True)
class Recorded(Kubectl):
    """Answers a call by how its command line begins, and keeps all calls with their input."""

    target: Target = TARGET
    answers: Answers = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)

    def run(self, *arguments: str, text: str = "", limit: float = CALL) -> str:
        line = shlex.join(arguments)
        self.calls.append((line, text))
        known = [start for start in self.answers if line.startswith(start)]
        assert known, f"no answer is recorded for {line}"
        answer = self.answers[max(known, key=len)]
        return printed(answer.next() if isinstance(answer, Turns) else answer, text)

    def lines(self, start: str = "") -> list[str]:
        """The command lines of the calls that begin so."""
        return [line for line, _ in self.calls if line.startswith(start)]

    def inputs(self, start: str) -> list[Any]:
        """What such calls were given, from JSON."""
        return [json.loads(text) for line, text in self.calls if line.startswith(start)]


def printed(answer: Answer, text: str) -> str:
    """What kubectl prints with ``--output=json``."""
    if isinstance(answer, Exception):
        raise answer
    if isinstance(answer, str):
        return answer
    if callable(answer):
        return printed(answer(text), text)
    if isinstance(answer, dict):
        return json.dumps(answer, indent=4)
    return json.dumps({"apiVersion": "v1", "items": list(answer), "kind": "List"}, indent=4)


def bound(images: Mapping[str, str] | None = None, **changed: Any) -> Deployment:
    """A release of one service, bound to the environment."""
    known: dict[str, Any] = {
        "target": TARGET,
        "sha": "0" * 12,
        "files": Files(("shop.yaml",), lambda folder: folder, lambda _: ""),
        "images": {
            name: ImageRef.parse(image) for name, image in (images or {"api": IMAGE}).items()
        },
        **changed,
    }
    return Deployment(**known)


def thing(kind: str, name: str, by: str = "", version: str = "v1", **rest: Any) -> Object:
    """An object; ``by`` is the UID of what controls it."""
    owners = [{"uid": by, "kind": "Owner", "name": by, "controller": True}] if by else []
    metadata = {"name": name, "uid": f"{kind}/{name}".lower(), **rest.pop("metadata", {})}
    if owners:
        metadata["ownerReferences"] = owners
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def workload(kind: str, name: str = "api", **rest: Any) -> Object:
    """A workload of one container, as its controller has it after generation 2 was applied."""
    version = {"Job": "batch/v1", "Pod": "v1"}.get(kind, "apps/v1")
    spec = {"template": {"spec": {"containers": [{"name": "api", "image": IMAGE}]}}}
    status = {
        "observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1,
        "updateRevision": "new", **rest.pop("status", {}),
    }  # fmt: skip
    annotations = {REVISION: "2"} if kind == "Deployment" else {}
    metadata = {"generation": 2, "annotations": annotations, **rest.pop("metadata", {})}
    return thing(
        kind, name, version=version, metadata=metadata, spec={**spec, **rest.pop("spec", {})},
        status=status, **rest,
    )  # fmt: skip


def replica_set(template: str, revision: str, of: str = "deployment/api") -> Object:
    """A ReplicaSet of a Deployment's template."""
    metadata = {
        "labels": {"pod-template-hash": template},
        "annotations": {REVISION: revision},
    }
    return thing("ReplicaSet", f"api-{template}", of, "apps/v1", metadata=metadata, spec={})


def pod(
    name: str = "api-1", by: str = "replicaset/api-new", *, template: str = "new",
    ready: bool = True, phase: str = "Running", state: Object | None = None, restarts: int = 0,
    runs: str = NEW, node: str = "n1", message: str = "", container: str = "api", **metadata: Any,
) -> Object:  # fmt: skip
    """A pod of one container; ``message`` says why it has no node."""
    labels = {"pod-template-hash": template} if "replicaset" in by else {}
    labels |= {"controller-revision-hash": template} if template and not labels else {}
    scheduled = {"type": "PodScheduled", "status": "False" if message else "True"}
    if message:
        scheduled["message"] = message
    reported = {
        "name": container, "imageID": f"r.example.org/api@{runs}" if runs else "", "ready": ready,
        "state": state or {"running": {}}, "restartCount": restarts,
    }  # fmt: skip
    return thing(
        "Pod", name, by,
        metadata={"labels": labels, **metadata},
        spec={"nodeName": node, "containers": [{"name": container, "image": IMAGE}]},
        status={
            "phase": phase,
            "conditions": [{"type": "Ready", "status": str(ready)}, scheduled],
            "containerStatuses": [reported],
        },
    )  # fmt: skip


def up(*pods: Object) -> tuple[Object, ...]:
    """A Deployment of the newest template and of one before, with these pods."""
    return (workload("Deployment"), replica_set("old", "1"), replica_set("new", "2"), *pods)


def applied(manifest: Manifest, **changed: Any) -> Object:
    """An object that was applied from a manifest and that nobody has changed since."""
    body = marked(manifest, TARGET.project)
    metadata = {
        **body["metadata"], "uid": f"{manifest.kind}/{manifest.name}".lower(),
        "resourceVersion": "7", "managedFields": [], **changed,
    }  # fmt: skip
    return {**body, "metadata": metadata}
