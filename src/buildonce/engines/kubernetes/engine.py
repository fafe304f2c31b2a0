"""Kubernetes: a release's own manifests in one namespace of a cluster."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from buildonce.engines.base import (
    UNTOUCHED,
    Deployment,
    Remains,
    Resolved,
    Running,
    StillOurs,
    Target,
    always_ours,
    unheard,
)
from buildonce.engines.kubernetes import access, applying, manifest, rendering, state
from buildonce.engines.kubernetes.applying import persistently
from buildonce.engines.kubernetes.evidence import Evidence
from buildonce.engines.kubernetes.inventory import Inventory
from buildonce.engines.kubernetes.kubectl import Kubectl
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.oneoff import OneOff
from buildonce.engines.kubernetes.ownership import drift, is_ours
from buildonce.engines.kubernetes.rollout import Rollout
from buildonce.errors import DeployError


class Kubernetes:
    """Runs a release as the objects of its manifests."""

    pulls = False
    """Nodes do, before they stop what they run."""

    def __init__(
        self, deployment: Deployment, connect: Callable[[Target], Kubectl] = Kubectl
    ) -> None:
        self.deployment = deployment
        self._target = deployment.target
        self._kubectl = connect(self._target)

    @cached_property
    def manifests(self) -> list[Manifest]:
        """The release's objects, in the order in which they are applied."""
        return rendering.render(self.bundle, self.deployment)

    @cached_property
    def bundle(self) -> str:
        """The deployment's files as one text of YAML documents, images as they are written."""
        return rendering.bundle(self.deployment, self._kubectl)

    def render(self) -> str:
        """Return the bundle with the images filled in by digest, and nothing else."""
        return manifest.write(self.manifests)

    def resolved(self) -> Resolved:
        """Return the variables' names: of the objects themselves the cluster knows what applies."""
        return Resolved(tuple(sorted(self.deployment.variables)))

    def commands(self) -> list[str]:
        """Return the command lines that a deploy runs; FILE is what ``render`` returns."""
        return [
            self._kubectl.line(*applying.APPLY, "--dry-run=server", "--filename=FILE"),
            self._kubectl.line(*applying.APPLY, "--filename=FILE"),
        ]

    def check(self) -> None:
        """See that the cluster would take everything, as whoever asks; change nothing."""
        access.require_namespace(self._kubectl)
        known = access.resources(self._kubectl)
        access.require_namespaced(self.manifests, self.deployment, known)
        access.require_rights(self._kubectl, access.rights(self.manifests, known))
        access.require_free(state.live(self._kubectl, self.manifests), self.deployment)
        applying.dry_run(self._kubectl, self.manifests, self.deployment)

    def pull(self) -> None:
        """Pull nothing."""

    def run_once(
        self, service: str, command: Sequence[str], progress: Callable[[str], None] = unheard
    ) -> None:
        """Run a command as a Job; what it needs of third-party images comes up first."""
        once = OneOff(self.manifests, self.deployment, service, command)
        limit = self._target.pre_deploy_timeout
        target = replace(self._target, timeout=math.inf if limit is None else limit)
        rollout = Rollout(self._kubectl, replace(self.deployment, target=target), progress)
        own = [*once.copies(), once.job()]
        try:
            found = state.live(self._kubectl, once.ahead())
            missing = [one for one in once.ahead() if one.key not in found]
            rollout.run(missing, missing, {})
            rollout.remove(own)
            rollout.run(own, own, {}, listed=False)
        except DeployError as error:
            raise DeployError(
                f"failed in the pre-deploy command ({shlex.join(command)}): {error.message}",
                service=service, host=str(self._target), log=error.log, hint=UNTOUCHED,
            ) from None  # fmt: skip
        finally:
            rollout.remove(own)

    def deploy(self, progress: Callable[[str], None], still_ours: StillOurs = always_ours) -> None:
        """Apply what differs, wait until all of it is up, remove what the release has not."""
        found = persistently(lambda: state.live(self._kubectl, self.manifests), progress)
        changed = [one for one in self.manifests if self._differs(one, found.get(one.key))]
        rollout = Rollout(self._kubectl, self.deployment, progress, still_ours)
        rollout.run(self.manifests, changed, found)
        rollout.prune(self.manifests)

    def running(self) -> list[Running]:
        """Return every container of the release's pods, every object, and what is missing.

        A pod's digest is what the kubelet of its node reports; an object is what was applied
        where nobody else has set a field of it since.
        """
        return Evidence(
            self.deployment,
            self.manifests,
            state.live(self._kubectl, self.manifests),
            state.read(self._kubectl, self._target.project),
            Inventory(self._kubectl, self._target.project).leftovers(self.manifests),
            state.silent_nodes(self._kubectl),
        ).rows()

    def _differs(self, wanted: Manifest, live: Mapping[str, Any] | None) -> bool:
        return live is None or not is_ours(live, self._target.project) or bool(drift(wanted, live))


def remains(target: Target, connect: Callable[[Target], Kubectl] = Kubectl) -> Remains:
    """Return the listed objects of a project that are provably its own."""
    kubectl = connect(target)
    left = [Manifest(item) for item in Inventory(kubectl, target.project).leftovers([])]
    objects = [f"{one.kind.lower()}/{one.name}" for one in left]
    return Remains(tuple(one.title for one in left), kubectl.line("delete", *objects))


def require_answer(target: Target, connect: Callable[[Target], Kubectl] = Kubectl) -> None:
    """See that the API answers, that the namespace exists, and what may be done in it."""
    kubectl = connect(target)
    access.require_namespace(kubectl)
    access.require_rights(kubectl, access.rights([], {}))
