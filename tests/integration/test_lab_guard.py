"""Labs that tests bring up are gone with them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import lab
from lab import processes
from lab.place import Place
from tests.kit.repository import ROOT
from tests.kit.waiting import wait_for

OWNER = """
import pathlib, sys, time, lab
with lab.guarded(pathlib.Path(sys.argv[1])):
    lab.up(engine=False, state=sys.argv[1])
    print("up", flush=True)
    time.sleep(600)
"""


def test_a_lab_is_gone_with_the_process_that_was_killed(tmp_path: Path) -> None:
    """After SIGKILL of the process that brought it up, neither daemon nor directory is left."""
    state = tmp_path / "lab"
    command = [sys.executable, "-c", OWNER, str(state)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        daemons = [part.pid for part in lab.status(state)]
        assert daemons
        owner.send_signal(signal.SIGKILL)
    wait_for(lambda: not state.exists(), "the lab's end")
    assert not any(processes.observe(pid) for pid in daemons if pid)
    assert not Place.of(state).run.exists()
