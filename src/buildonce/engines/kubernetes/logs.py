"""The last lines of a container's log, without what its Secrets contain."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from buildonce.engines.kubernetes.kubectl import Kubectl, Refused
from buildonce.engines.kubernetes.pods import Container, Pod
from buildonce.errors import UnavailableError
from buildonce.masking import hide

LINES = 20

_GONE = re.compile(r'failed to try resolving symlinks in path "/|unable to retrieve container logs')
"""What a kubelet gives as the log of a container that it has removed by then."""


@dataclass(frozen=True)
class Logs:
    """Reads logs."""

    kubectl: Kubectl

    def tail(self, pod: Pod, container: Container | None) -> list[str]:
        """Return the last lines that a container wrote, as far as they can be had."""
        shown = container or next(iter(pod.containers), None)
        if shown is None:
            return []
        try:
            values = self._values(pod)
        except UnavailableError:
            names = ", ".join(sorted(pod.secrets))
            why = f"it may have what Secret {names} contains, which may not be read here"
            return [f"(its log is not shown: {why})"]
        return [hide(line, values) for line in self._lines(pod, shown)]

    def _lines(self, pod: Pod, container: Container) -> list[str]:
        """Return the lines of the container that ended last; where its log is gone, of another."""
        present, previous = (), ("--previous",)
        ended_before = container.restarts and container.state == "running"
        for which in (previous, present) if ended_before else (present, previous):
            named = f"--container={container.name}"
            lines = self.kubectl.tail(pod.name, named, *which, lines=LINES)
            if lines and not _GONE.match(lines[0]):
                return lines
        return []

    def line(self, pod: Pod, container: Container | None) -> str:
        """Return the command that shows the log."""
        named = (f"--container={container.name}",) if container else ("--all-containers",)
        return self.kubectl.line("logs", pod.name, *named)

    def _values(self, pod: Pod) -> list[str]:
        values = []
        for name in sorted(pod.secrets):
            try:
                found = self.kubectl.item("get", "secret", name, "--ignore-not-found")
            except Refused as refused:
                raise UnavailableError(refused.message) from None
            for encoded in ((found or {}).get("data") or {}).values():
                values.append(_decoded(encoded))
        return values


def _decoded(encoded: str) -> str:
    try:
        return base64.b64decode(encoded).decode(errors="replace")
    except (binascii.Error, ValueError):
        return ""
