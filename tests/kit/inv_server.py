"""`inv` in forks of one process that has imported everything: one import for hundreds of runs.

Each run is a process with a working directory, an environment and an end of its own, as if it
had been started by `python -m invoke`, which half of the time of a short run would go into.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import multiprocessing
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.kit.repository import ROOT

FORKING = multiprocessing.get_context("fork")
"""Processes that end as Python does, without taking down what the fork shares with its parent."""

LIMIT = 300
"""Seconds that a run may take."""


def run(arguments: Sequence[str], cwd: Path, env: Mapping[str, str]) -> tuple[int, str, str]:
    """Run `inv` and return its exit code, output and errors; minus the signal that ended it."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        request = {
            "arguments": list(arguments), "cwd": str(cwd), "env": dict(env),
            "files": [os.devnull, str(out), str(err)],
        }  # fmt: skip
        code = _ask(_server(), request)
        return code, out.read_text(), err.read_text()


@functools.cache
def _server() -> subprocess.Popen[str]:
    """The process that forks; it ends with this one, which holds its input open."""
    return subprocess.Popen(
        [sys.executable, "-m", __name__], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def _ask(server: subprocess.Popen[str], request: Mapping[str, Any]) -> int:
    assert server.stdin is not None
    assert server.stdout is not None
    print(json.dumps(request), file=server.stdin, flush=True)
    return int(server.stdout.readline())


def _serve() -> None:
    """Fork for each line of standard input, and answer with how that ended."""
    _import_everything()
    gc.freeze()  # or a fork's collections would copy all that was imported
    for line in sys.stdin:
        child = FORKING.Process(target=_become, args=(json.loads(line),))
        child.start()
        child.join()
        print(child.exitcode, flush=True)


def _import_everything() -> None:
    package = importlib.import_module("buildonce")
    for module in pkgutil.walk_packages(package.__path__, "buildonce."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _become(request: Mapping[str, Any]) -> None:
    """Be the process that was asked for."""
    from invoke.main import program

    signal.alarm(LIMIT)
    for number, path in enumerate(request["files"]):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"], INV_PID=str(os.getpid()))
    sys.path[0] = request["cwd"]
    sys.argv = ["inv", *request["arguments"]]
    program.run()


if __name__ == "__main__":
    _serve()
