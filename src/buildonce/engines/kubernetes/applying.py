"""Apply objects, by server-side apply as our own field manager."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from buildonce.engines.base import Deployment
from buildonce.engines.kubernetes.kubectl import MANAGER, Kubectl, Refused
from buildonce.engines.kubernetes.manifest import Manifest, as_list
from buildonce.engines.kubernetes.ownership import foreign_fields, marked, taken_over
from buildonce.errors import DeployError, PreconditionError, UnavailableError

APPLY = ("apply", "--server-side", f"--field-manager={MANAGER}", "--force-conflicts")

SILENCE = 60.0
"""Seconds for which an API that does not answer is asked again: a control plane that is upgraded
or moved is away for less, and what was asked for may have happened."""

_PAUSE = 1.0
_LONG_VALUE = re.compile(r"(Invalid value: ).{100,}(: )")
_IMMUTABLE = re.compile(r"immutable|updates to .* are forbidden|may not be changed", re.IGNORECASE)

Result = TypeVar("Result")


def persistently(call: Callable[[], Result], tell: Callable[[str], None]) -> Result:
    """Return what a call gives, which may be made more than once.

    Raises:
        UnavailableError: the API has not answered for ``SILENCE`` seconds, or has refused.
    """
    give_up, told = time.monotonic() + SILENCE, False
    while True:
        try:
            return call()
        except Refused:
            raise
        except UnavailableError:
            if time.monotonic() >= give_up:
                raise
            if not told:
                tell("the Kubernetes API does not answer; waiting for it")
                told = True
            time.sleep(_PAUSE)


def dry_run(kubectl: Kubectl, manifests: Sequence[Manifest], deployment: Deployment) -> None:
    """Have the API server check everything as if it were applied: nothing changes.

    Raises:
        PreconditionError: it would refuse something; all that it says is told.
        UnavailableError: the API does not answer.
    """
    bodies = [marked(manifest, deployment.target.project) for manifest in manifests]
    try:
        kubectl.run(*APPLY, "--dry-run=server", "--output=name", "--filename=-",
                    text=as_list(bodies))  # fmt: skip
    except Refused as refused:
        raise PreconditionError(
            f"{kubectl.target} would reject release {deployment.sha}:\n"
            + _indented(refused.complaint),
            hint=_remedy(refused.complaint),
        ) from None


def apply(kubectl: Kubectl, manifests: Sequence[Manifest], project: str) -> list[Mapping[str, Any]]:
    """Apply objects, and return them as they are then.

    Raises:
        DeployError: the API server refused some, by name; others may have been applied.
        UnavailableError: the API does not answer.
    """
    if not manifests:
        return []
    text = as_list(marked(manifest, project) for manifest in manifests)
    try:
        return list(kubectl.items(*APPLY, "--filename=-", text=text))
    except Refused as refused:
        raise DeployError(
            "the API server refused a part of the release:\n" + _indented(refused.complaint),
            host=str(kubectl.target),
            hint=_remedy(refused.complaint),
        ) from None


def take_over(kubectl: Kubectl, live: Mapping[str, Any]) -> None:
    """Become the manager of the fields of an object that somebody else has set.

    Raises:
        UnavailableError: the API does not answer, or refuses.
    """
    if any(True for _ in foreign_fields(live)):
        found = Manifest(live)
        kind = f"{found.kind}.{found.api_version.rpartition('/')[2]}.{found.group}"
        name = f"{kind if found.group else found.kind}/{found.name}"
        kubectl.run("patch", name, "--type=json", f"--patch={taken_over(live)}")


def remove(kubectl: Kubectl, live: Mapping[str, Any], *, wait: bool = False) -> None:
    """Remove an object, and what it controls; ``wait`` until it is gone.

    Raises:
        UnavailableError: the API does not answer, or refuses.
    """
    options = ("--ignore-not-found", f"--wait={str(wait).lower()}", "--cascade=background")
    kubectl.run("delete", *options, "--filename=-", text=json.dumps(Manifest(live).reference))


def _indented(complaint: str) -> str:
    lines = [line for line in complaint.splitlines() if line.strip()]
    return "\n".join("  " + _LONG_VALUE.sub(r"\1…\2", line) for line in lines)


def _remedy(complaint: str) -> str:
    if _IMMUTABLE.search(complaint) and "The Job " in complaint:
        return (
            "a Job runs once: give it a new name where it is to run again, or make its command "
            "the environment's pre_deploy"
        )
    if _IMMUTABLE.search(complaint):
        return (
            "a field that cannot change has changed: give the object a new name, or, where what "
            "it holds may be lost, delete it by hand and run this command again"
        )
    if "(Forbidden)" in complaint or "forbidden" in complaint:
        return "get the right, or correct what the cluster's policy does not admit"
    return "correct the manifests and commit them"
