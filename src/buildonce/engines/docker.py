"""The docker client, aimed at one engine.

python-on-whales finds the client and spells the host. The processes are started here, since
its own calls take neither a time limit nor an environment, and print the environment where
``PYTHON_ON_WHALES_DEBUG`` is set.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from buildonce.engines.base import Target
from buildonce.errors import UnavailableError

CALL = 60.0
"""Seconds after which a call that only asks has failed."""

GRACE = 10.0
"""Seconds that a client gets to stop what it does, before it is killed."""

TAIL = 20
"""Lines of a log that are worth showing."""

_CLIENTS_OWN = frozenset({"HOME", "PATH", "SYSTEMROOT", "TEMP", "TMPDIR", "USERPROFILE"})
_DECIDING = frozenset(
    f"COMPOSE_{name}"
    for name in (
        *("COMPATIBILITY", "CONVERT_WINDOWS_PATHS", "ENV_FILES", "FILE", "IGNORE_ORPHANS"),
        *("PATH_SEPARATOR", "PROFILES", "PROJECT_NAME", "REMOVE_ORPHANS"),
    )
)
"""Settings by which a person's machine would decide what is deployed, and how."""

_URL = re.compile(r"[a-z]+://")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


class Refused(UnavailableError):
    """The engine answers and the call failed; ``complaint`` is the client's last word on it.

    Who knows what the call was for says more; where nobody does, this is told.

    ``log`` has the last lines of all that it printed.
    """

    def __init__(self, complaint: str, log: Sequence[str] = ()) -> None:
        super().__init__(f"the engine refused a call: {complaint}", hint="inv doctor")
        self.complaint = complaint
        self.log = tuple(log)


class Expired(Refused):
    """The engine answers and the call took longer than it may."""


@dataclass(frozen=True)
class Started:
    """A client that runs: poll it, then read what it printed into its two files."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self.process.poll()

    def output(self) -> str:
        """Return its standard output so far."""
        return _read(self.out)

    def last_error(self) -> str:
        """Return the last line of its standard error, without control characters."""
        return (_lines(_read(self.err)) or ["no reason given"])[-1]

    def tail(self) -> list[str]:
        """Return the last lines of all that it printed."""
        return _lines(self.output() + _read(self.err))[-TAIL:]

    def finish(self, limit: float | None) -> str:
        """Return what it prints in at most ``limit`` seconds.

        Raises:
            Refused: it failed, or took longer (Expired).
        """
        try:
            self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise Expired(f"no end after {limit:.0f} s", self.tail()) from None
        if self.code:
            raise Refused(self.last_error(), self.tail())
        return self.output()


@dataclass(frozen=True)
class Docker:
    """Calls the docker client for one target."""

    target: Target

    @cached_property
    def _prefix(self) -> list[str]:
        from python_on_whales import DockerClient
        from python_on_whales.client_config import ClientNotFoundError

        host = self.target.host or None
        is_url = host is not None and _URL.match(host)
        client = DockerClient(host=host) if is_url else DockerClient(context=host)
        try:
            return [str(word) for word in client.client_config.docker_cmd]
        except ClientNotFoundError:
            raise UnavailableError(
                "there is no docker client on this machine", hint="install docker, with Compose"
            ) from None

    def line(self, *arguments: str) -> str:
        """Return a call as a person would type it."""
        return shlex.join(["docker", *self._prefix[1:], *arguments])

    @contextmanager
    def started(
        self, *arguments: str, text: str = "", variables: Mapping[str, str] | None = None,
        isolated: bool = False,
    ) -> Iterator[Started]:  # fmt: skip
        """Run the client with ``text`` on its standard input; it ends with the block.

        ``variables`` come before the process's own. ``isolated`` leaves the latter out but for
        those that the client itself needs.
        """
        command = [*self._prefix, *arguments]
        environment = {**_environment(isolated), **(variables or {})}
        with tempfile.TemporaryDirectory(prefix="buildonce-") as scratch, _input(text) as given:
            out, err = Path(scratch) / "out", Path(scratch) / "err"
            with out.open("wb") as output, err.open("wb") as complaints:
                process = subprocess.Popen(
                    command, stdin=given, stdout=output, stderr=complaints, cwd=scratch,
                    env=environment,
                )  # fmt: skip
            try:
                yield Started(process, out, err)
            finally:
                _end(process)

    def run(
        self, *arguments: str, text: str = "", variables: Mapping[str, str] | None = None,
        isolated: bool = False, limit: float | None = CALL,
    ) -> str:  # fmt: skip
        """Return what a call prints.

        Raises:
            Refused: it failed, or took longer than ``limit`` seconds (Expired), and the engine
                answers.
            UnavailableError: the engine does not answer.
        """
        with self.started(*arguments, text=text, variables=variables, isolated=isolated) as client:
            try:
                return client.finish(limit)
            except Refused:
                self.require_answer()
                raise

    def config(
        self, *words: str, options: Sequence[str] = (), text: str = "",
        variables: Mapping[str, str] | None = None, isolated: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """Return what ``docker compose config`` reads. It asks no engine.

        Raises:
            Refused: Compose cannot read it, or took too long.
        """
        call = ("compose", *words, "config", "--format", "json", *options)
        with self.started(*call, text=text, variables=variables, isolated=isolated) as client:
            read: dict[str, Any] = json.loads(client.finish(CALL))
            return read

    def inspect(self, kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """Return what the engine knows about those objects that (still) exist.

        Raises:
            UnavailableError: the engine does not answer.
        """
        if not names:
            return []
        with self.started("inspect", "--type", kind, *names) as client:
            try:
                client.process.wait(CALL)
            except subprocess.TimeoutExpired:
                raise self._silent(f"no answer within {CALL:.0f} s") from None
            if client.code:
                self.require_answer()
            found: list[dict[str, Any]] = json.loads(client.output() or "[]")
            return found

    def log_tail(self, *arguments: str) -> list[str]:
        """Return the last lines of a log, as far as they can be had."""
        with self.started(*arguments, "--tail", str(TAIL)) as client:
            with suppress(subprocess.TimeoutExpired):
                client.process.wait(CALL)
            return client.tail()

    def require_answer(self) -> None:
        """See that the engine answers.

        Raises:
            UnavailableError: it does not.
        """
        with self.started("version", "--format", "{{.Server.Version}}") as client:
            try:
                client.process.wait(CALL)
            except subprocess.TimeoutExpired:
                raise self._silent(f"no answer within {CALL:.0f} s") from None
            if client.code:
                raise self._silent(client.last_error())

    def _silent(self, reason: str) -> UnavailableError:
        return UnavailableError(
            f"the engine of {self.target} does not answer: {reason}",
            hint=f"{self.line('version')}   (then run this command again)",
        )


def _environment(isolated: bool) -> dict[str, str]:
    """Return the client's environment: neither it nor a ``.env`` file decides what is deployed."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in _DECIDING
        and (not isolated or name in _CLIENTS_OWN or name.startswith("DOCKER_"))
    }
    return {**inherited, "COMPOSE_DISABLE_ENV_FILE": "1"}


def printable(text: str) -> str:
    """Return a text without colours and control characters; lines stay lines."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in printable(text).splitlines() if line.strip()]


@contextmanager
def _input(text: str) -> Iterator[IO[bytes]]:
    """Give a file without a name: what is in it may be secret, and must not outlive a kill."""
    with tempfile.TemporaryFile() as file:
        file.write(text.encode())
        file.seek(0)
        yield file


def _read(file: Path) -> str:
    return file.read_bytes().decode(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
