"""kubectl, aimed at one context and namespace."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from buildonce.engines.base import Target
from buildonce.engines.docker import printable
from buildonce.errors import PreconditionError, UnavailableError

CALL = 60.0
"""Seconds after which a call has failed."""

_GRACE = 10.0
"""Seconds that kubectl has to say that a call has failed."""

MANAGER = "buildonce"
"""The field manager of server-side apply: who the API server says has set a field."""

_SILENT = re.compile(
    r"unable to connect to the server|connection refused|connection reset|connection lost"
    r"|i/o timeout|tls handshake timeout|no route to host|no such host|unexpected eof|: eof$"
    r"|context deadline exceeded|client\.timeout exceeded|server is currently unable"
    r"|etcdserver:|service ?unavailable|the server was unable to return a response"
    r"|apiserver not ready|request timed out|too many requests|the connection to the server",
    re.IGNORECASE | re.MULTILINE,
)
_NO_CONTEXT = re.compile(r'context "?[^"]*"? does not exist|no configuration has been provided')
_NOT_KNOWN = re.compile(
    r"\(Unauthorized\)|must be logged in|credentials|exec plugin", re.IGNORECASE
)


class Refused(UnavailableError):
    """The API server answers and the call failed; ``complaint`` has its words."""

    def __init__(self, complaint: str) -> None:
        super().__init__(f"Kubernetes refused a call: {complaint}", hint="inv doctor")
        self.complaint = complaint

    @property
    def forbidden(self) -> bool:
        """Whether a right is missing."""
        return "(Forbidden)" in self.complaint or " is forbidden: User" in self.complaint


@dataclass(frozen=True)
class Kubectl:
    """Calls kubectl for one target: ``host`` is its context."""

    target: Target

    @property
    def _prefix(self) -> list[str]:
        return ["kubectl", f"--context={self.target.host}", f"--namespace={self.target.namespace}"]

    def line(self, *arguments: str) -> str:
        """Return a call as a person would type it."""
        return shlex.join([*self._prefix, *arguments])

    def run(self, *arguments: str, text: str = "", limit: float = CALL) -> str:
        """Return what a call prints.

        Raises:
            Refused: it failed, and the API server answers.
            UnavailableError: the API server does not answer, or does not know the caller.
            PreconditionError: there is no kubectl, or no such context.
        """
        try:
            done = subprocess.run(
                [*self._prefix, f"--request-timeout={limit:.0f}s", *arguments],
                input=text, capture_output=True, text=True, timeout=limit + _GRACE,
            )  # fmt: skip
        except FileNotFoundError:
            raise PreconditionError(
                "there is no kubectl on this machine", hint="install kubectl"
            ) from None
        except subprocess.TimeoutExpired:
            raise self._silent(f"no answer within {limit:.0f} s") from None
        if done.returncode:
            raise self._failure(printable(done.stderr).strip() or "no reason given")
        return done.stdout

    def items(self, *arguments: str, text: str = "") -> list[dict[str, Any]]:
        """Return the objects that a call prints, alone, as a list or one after the other."""
        printed = self.run(*arguments, "--output=json", text=text).strip()
        found: list[dict[str, Any]] = []
        while printed:
            document, end = json.JSONDecoder().raw_decode(printed)
            found += document.get("items", [document])
            printed = printed[end:].lstrip()
        return found

    def item(self, *arguments: str) -> dict[str, Any] | None:
        """Return the one object that a call prints; None where it prints none."""
        return next(iter(self.items(*arguments)), None)

    def tail(self, *arguments: str, lines: int) -> list[str]:
        """Return the last lines of a log, as far as they can be had."""
        try:
            printed = self.run("logs", f"--tail={lines}", *arguments, limit=20)
        except (UnavailableError, PreconditionError):
            return []
        return [line.rstrip() for line in printable(printed).splitlines() if line.strip()]

    def _failure(self, complaint: str) -> UnavailableError | PreconditionError:
        last = complaint.splitlines()[-1]
        if _NO_CONTEXT.search(complaint):
            return PreconditionError(
                f"{self.target.name}: kubectl has no context {self.target.host!r}",
                hint="kubectl config get-contexts   (KUBECONFIG says which file is read)",
            )
        if _SILENT.search(complaint):
            return self._silent(last)
        if _NOT_KNOWN.search(complaint) and "(Forbidden)" not in complaint:
            return UnavailableError(
                f"{self.target} rejected the credentials: {last}",
                hint=f"log in, then: {self.line('auth', 'whoami')}",
            )
        return Refused(complaint)

    def _silent(self, complaint: str) -> UnavailableError:
        return UnavailableError(
            f"the Kubernetes API of {self.target} does not answer: {complaint}",
            hint=f"{self.line('version')}   (then run this command again)",
        )


def named(kinds: Sequence[str]) -> str:
    """Return kinds as kubectl takes several at once."""
    return ",".join(kinds)
