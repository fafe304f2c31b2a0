"""Deploy services of a stack and wait until they are up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from buildonce.engines.base import StillOurs, always_ours
from buildonce.engines.compose.watching import INTERVAL, Failing
from buildonce.engines.definition import Definition
from buildonce.engines.docker import Refused
from buildonce.engines.parts import Part
from buildonce.engines.secrets import mask
from buildonce.engines.swarm import applying, cluster
from buildonce.engines.swarm.cluster import Stack
from buildonce.engines.swarm.objects import NOTED, NOWHERE
from buildonce.engines.swarm.watching import Watch
from buildonce.errors import DeployError

# a secret, or config, that has another content under the same name
_UNCHANGEABLE = "only updates to Labels are allowed"
_RENAME = (
    "Swarm cannot change a secret: in the stack file give it a name with a variable, as "
    "name: key_${KEY_VERSION:-1}, and another value of that with each new content"
)


class Limit(NamedTuple):
    """How many seconds something may take, and in words which setting says so."""

    seconds: float
    source: str = ""


@dataclass
class Rollout:
    """Brings services of a stack up; ``tell`` gets a line for each change."""

    definition: Definition
    tell: Callable[[str], None]
    still_ours: StillOurs = always_ours
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self._docker = self.definition.docker
        self._target = self.definition.deployment.target

    def run(
        self, text: str, parts: Mapping[str, Part], *options: str, limit: Limit | None = None
    ) -> None:
        """Deploy a stack file and wait; without a ``limit``, as long as a deploy may take.

        Raises:
            DeployError: Swarm refused it, or something did not come up in time.
            UnavailableError: the engine stopped answering.
        """
        before = self._read()
        try:
            self._forget_changed_images(before)
            applying.deploy(self.definition, text, *options)
        except Refused as refused:
            complaint = self._masked(refused.complaint)
            raise DeployError(
                f"Swarm rejected the release: {complaint}", host=self._target.place,
                hint=_RENAME if _UNCHANGEABLE in complaint else "",
            ) from None  # fmt: skip
        self._watch(
            Watch(parts, before, self.tell, self.clock), limit or Limit(self._target.timeout)
        )

    def wait(self, part: Part, limit: Limit) -> None:
        """Wait for a part that was deployed before, whatever has happened to it since.

        Raises:
            DeployError: it failed, or did not come up in time.
            UnavailableError: the engine stopped answering.
        """
        watch = Watch({part.name: part}, cluster.NOTHING, self.tell, self.clock)
        self._watch(watch, limit)

    def _forget_changed_images(self, stack: Stack) -> None:
        """Have ``stack deploy`` set the image of services that were updated by other means.

        Where its own note has the image already, it keeps whatever image the service has.
        """
        for service in stack.services.values():
            if service.deployed != service.image:
                note = ("service", "update", "--detach", "--label-rm", NOTED)
                self._docker.run(*note, service.id)

    def _watch(self, watch: Watch, limit: Limit) -> None:
        deadline = self.clock() + limit.seconds
        try:
            while waiting := watch.look(self._read()):
                self.still_ours()
                if self.clock() >= deadline:
                    failing = next((one for one in waiting if one.container), waiting[0])
                    failing.what += f" after {limit.seconds:.0f} s{limit.source}"
                    raise failing
                self.pause(INTERVAL)
        except Failing as failing:
            raise self._failed(failing) from None

    def _failed(self, failing: Failing) -> DeployError:
        log = ("service", "logs", "--raw", failing.container)
        ran = failing.container and failing.host != NOWHERE.name
        tail = self._docker.log_tail(*log) if ran else []
        name = cluster.named(self._target.project, failing.service)
        return DeployError(
            self._masked(failing.what),
            service=failing.service,
            host=failing.host or self._target.place,
            log=self._masked("\n".join(tail)).splitlines(),
            hint=self._docker.line("service", "ps", "--no-trunc", name),
        )

    def _read(self) -> Stack:
        return cluster.read(self._docker, self._target.project)

    def _masked(self, text: str) -> str:
        return mask(text, self.definition)
