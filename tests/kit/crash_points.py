"""What a command does to the world, one process and one request after the other.

A child process stops whenever it is about to start a process or to send a request; a trace looks
whether the world has changed since the last stop. So side effects are found, not listed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from buildonce import parallel
from buildonce.errors import BuildonceError
from tests.kit.monorepo import Monorepo

Stop = tuple[str, int]


class Tracer:
    """Tells `reached` when this process is about to start another or to send (part of) a request.

    A stop has a name and is counted under it: `("git push", 2)`.
    """

    def __init__(self, reached: Callable[[Stop], None]) -> None:
        self._reached = reached
        self._counted: Counter[str] = Counter()
        self._busy = False
        sys.addaudithook(self._hear)

    def stop(self, name: str) -> None:
        if not self._busy:
            self._busy = True
            self._counted[name] += 1
            self._reached((name, self._counted[name]))
            self._busy = False

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen":
            words = [word for word in arguments[1] if "=" not in word and word != "-c"]
            self.stop(" ".join(words[:2]))
        elif event == "http.client.send":
            first = arguments[1].partition(b"\r\n")[0].decode()
            self.stop(first.split("/")[0] if first.endswith("HTTP/1.1") else "a request's body")


_CRASHED = 70


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a process of its own, one request after the other; return how it ended."""
    return ended(_begin(work))


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _begin(work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    code = _CRASHED
    try:
        parallel.WORKERS = 1
        work()
        code = 0
    except BuildonceError as error:
        code = error.exit_code
    finally:
        os._exit(code)


@dataclass(frozen=True)
class Trace:
    """What changed the world in a command's run, and the stops before and after each."""

    effects: list[str]
    stops: list[Stop]


def trace(
    repo: Monorepo, command: Callable[[], None], folder: Path, more: Callable[[], object] = list
) -> Trace:
    """Run a command and look at the world, and at ``more`` of it, at each of its stops."""
    report = folder / repo.namespace

    def look() -> object:
        return world(repo), more()

    def run() -> None:
        last: list[tuple[Stop, object]] = [(("the start", 1), look())]

        def reached(stop: Stop) -> None:
            (before, was), now = last.pop(), look()
            last.append((stop, now))
            if was != now:
                with report.open("a") as file:
                    file.write(json.dumps([before, stop]) + "\n")

        tracer = Tracer(reached)
        command()
        tracer.stop("the end")

    assert in_child(run) == 0
    pairs = [json.loads(line) for line in report.read_text().splitlines()]
    stops = dict.fromkeys((str(name), int(count)) for pair in pairs for name, count in pair)
    return Trace([name for (name, _), _ in pairs], list(stops))


def world(repo: Monorepo) -> object:
    """Everything that lasts: the files of the clone's repository and of the remote, and tags."""
    files = {
        (str(path), path.stat().st_size, path.stat().st_mtime_ns)
        for root in (repo.root / ".git", repo.origin)
        for path in root.rglob("*")
    }
    return files, {service: repo.images(service).tags() for service in repo.services}


def run_until(there: Stop, happens: Callable[[], None], command: Callable[[], None]) -> int:
    """Run a command in a process of its own; at a stop, have something happen; return its end."""
    return in_child(partial(_run, there, happens, command))


def killed_at(there: Stop, command: Callable[[], None]) -> bool:
    """Kill a command at a stop; tell whether it got there."""
    return run_until(there, partial(_send_itself, signal.SIGKILL), command) == -signal.SIGKILL


def paused_at(there: Stop, meanwhile: Callable[[], None], command: Callable[[], None]) -> int:
    """Pause a command at a stop, do something meanwhile, and wake it; return how it ended."""
    child = _begin(partial(_run, there, partial(_send_itself, signal.SIGSTOP), command))
    _, status = os.waitpid(child, os.WUNTRACED)
    assert os.WIFSTOPPED(status), f"{there} was never reached"
    try:
        meanwhile()
    finally:
        os.kill(child, signal.SIGCONT)
    return ended(child)


def _run(there: Stop, happens: Callable[[], None], command: Callable[[], None]) -> None:
    tracer = Tracer(lambda stop: happens() if stop == there else None)
    command()
    tracer.stop("the end")


def _send_itself(number: int) -> None:
    os.kill(os.getpid(), number)
