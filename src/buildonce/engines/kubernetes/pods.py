"""What the API says about pods. Pure functions of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from buildonce.refs import Digest

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}$")

HOPELESS = frozenset(
    {
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "CreateContainerConfigError",
        "CreateContainerError",
    }
)
"""Reasons for which a container waits in vain: a bad image, or configuration that is missing."""

CRASHES = 3
"""How often a container may end before it is not waited for any more, less one: it may need
another service that comes up at the same time."""

_PULL_REFUSED = re.compile(r"not found|denied|unauthorized|forbidden|401|403", re.IGNORECASE)


@dataclass(frozen=True)
class Container:
    """One container of a pod, as the kubelet reports it."""

    name: str
    image: str
    digest: Digest | None
    init: bool
    sidecar: bool
    state: str
    reason: str
    message: str
    exit_code: int | None
    restarts: int
    ready: bool

    @property
    def crashes(self) -> int:
        """How often it ended where it should not have."""
        ended = self.state == "terminated" and self.exit_code != 0
        return self.restarts + (ended or self.reason == "CrashLoopBackOff")

    def problem(self, before: int = 0) -> str:
        """Return why there is no use in waiting for it; empty where there is.

        ``before`` are the crashes that do not count.
        """
        crashes, up = self.crashes - before, self.state == "running" and self.ready
        if crashes >= CRASHES and not up:
            return f"has crashed {crashes} times{self._exit}"
        pull_refused = self.reason == "ErrImagePull" and _PULL_REFUSED.search(self.message)
        if self.reason in HOPELESS or pull_refused:
            return f"cannot start: {self.reason}: {self.message or 'no reason given'}"
        return ""

    @property
    def condition(self) -> str:
        """What it does, in a word or two."""
        if self.state == "running":
            return "running" if self.ready or (self.init and not self.sidecar) else "not ready"
        if self.state == "terminated":
            done = self.init and self.exit_code == 0
            return "completed" if done else f"ended{self._exit}"
        return self.reason or "waiting"

    @property
    def _exit(self) -> str:
        return "" if self.exit_code is None else f" (exit code {self.exit_code})"


@dataclass(frozen=True)
class Pod:
    """One pod; ``owner`` is the UID of its controller, ``revision`` the hash of its template."""

    name: str
    uid: str
    owner: str
    revision: str
    phase: str
    ready: bool
    ending: bool
    node: str
    pending: str
    containers: tuple[Container, ...]
    secrets: frozenset[str]

    @property
    def restarts(self) -> int:
        """How often any of its containers was started again."""
        return sum(container.restarts for container in self.containers)

    @property
    def over(self) -> bool:
        """Whether it has ended for good."""
        return self.phase in ("Succeeded", "Failed")

    def obstacle(self, silent: frozenset[str]) -> str:
        """Return what keeps its containers from running or being seen: of the whole pod."""
        if self.node in silent:
            return f"on {self.node}, a node that does not answer"
        return f"pending: {self.pending}" if self.pending else ""

    def container(self, name: str) -> Container | None:
        """Return a container by name."""
        return next((one for one in self.containers if one.name == name), None)


def read(pod: Mapping[str, Any]) -> Pod:
    """Return what the API has on a pod."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    labels = metadata.get("labels") or {}
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled", {})
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        owner=controller(pod),
        revision=labels.get("controller-revision-hash") or labels.get("pod-template-hash", ""),
        phase=status.get("phase", "Unknown"),
        ready=conditions.get("Ready", {}).get("status") == "True",
        ending=bool(metadata.get("deletionTimestamp")),
        node=spec.get("nodeName", ""),
        pending=scheduled.get("message", "") if scheduled.get("status") == "False" else "",
        containers=tuple(_containers(spec, status)),
        secrets=frozenset(secrets_of(spec)),
    )


def controller(thing: Mapping[str, Any]) -> str:
    """Return the UID of what controls an object; empty where nothing does."""
    for owner in thing["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return str(owner["uid"])
    return ""


def digest_in(image_id: str) -> Digest | None:
    """Return the digest in an image's name or ID, however a runtime writes it."""
    match = _DIGEST.search(image_id)
    return Digest(match[0]) if match else None


def secrets_of(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the Secrets that a pod's specification refers to."""
    for field in ("initContainers", "containers"):
        for container in spec.get(field) or ():
            for variable in container.get("env") or ():
                yield from _named((variable.get("valueFrom") or {}).get("secretKeyRef"))
            for source in container.get("envFrom") or ():
                yield from _named(source.get("secretRef"))
    for volume in spec.get("volumes") or ():
        if secret := (volume.get("secret") or {}).get("secretName"):
            yield str(secret)
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield from _named(source.get("secret"))


def _named(reference: Mapping[str, Any] | None) -> Iterator[str]:
    if reference and reference.get("name"):
        yield str(reference["name"])


def _containers(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[Container]:
    for field, statuses in (
        ("initContainers", "initContainerStatuses"),
        ("containers", "containerStatuses"),
    ):
        reported = {one["name"]: one for one in status.get(statuses) or ()}
        for container in spec.get(field) or ():
            yield _container(container, reported.get(container["name"], {}), field)


def _container(spec: Mapping[str, Any], status: Mapping[str, Any], field: str) -> Container:
    states: Mapping[str, Any] = status.get("state") or {"waiting": {}}
    state, details = next(iter(states.items()))
    before = (status.get("lastState") or {}).get("terminated") or {}
    ended = details if state == "terminated" else before
    return Container(
        name=spec["name"],
        image=spec.get("image", ""),
        digest=digest_in(status.get("imageID", "")),
        init=field == "initContainers",
        sidecar=spec.get("restartPolicy") == "Always",
        state=state,
        reason=details.get("reason", ""),
        message=details.get("message", ""),
        exit_code=ended.get("exitCode"),
        restarts=int(status.get("restartCount") or 0),
        ready=bool(status.get("ready")),
    )
