"""The lab on this machine: started once, mended in part, removed without a trace."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

import lab
from lab import machine, processes
from lab.machine import Machine, Mode
from lab.model import Record
from lab.own import network
from lab.own.parts import claim_subnet
from lab.place import Place
from tests.kit.lab_docker import docker

CAPABLE = Machine(linux=True, root=True, apt=True, cgroups=True)

needs_own_engine = pytest.mark.skipif(
    bool(machine.missing(Machine.observe())),
    reason="; ".join(machine.missing(Machine.observe())) or "this machine can run a lab",
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the tests' own lab is; it is down in the end."""
    chosen = tmp_path_factory.mktemp("lab") / "state"
    with lab.guarded(chosen):
        yield chosen


@pytest.fixture
def state(directory: Path) -> Path:
    """The state directory of a lab with one network host and a password on its registry."""
    lab.up(hosts=1, auth=True, state=directory)
    return directory


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with any lab."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def pids(state: Path) -> dict[str, int | None]:
    """The number of each daemon that answers."""
    return {part.name: part.pid for part in lab.status(state) if part.running}


def traces(place: Place, subnet: str) -> list[str]:
    """Everything on this machine that carries the lab's name or address."""
    words = (
        str(place.state),
        str(place.run),
        place.mark,
        place.interface(""),
        subnet.removesuffix("0.0/16"),
    )
    commands = (["ip", "address"], ["ip", "netns"], ["iptables-save"], ["cat", "/proc/mounts"])
    lines = [
        line
        for command in commands
        for line in subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout.splitlines()
    ]
    lines += [path.read_bytes().decode() for path in Path("/proc").glob("[1-9]*/cmdline")]
    lines += map(str, [*Path("/run").iterdir(), *Path("/sys/fs/cgroup").glob("*/*")])
    lines += map(str, place.state.parent.iterdir())
    return [line for line in lines if any(word in line for word in words)]


@needs_own_engine
def test_up_again_restarts_nothing(state: Path) -> None:
    """Bringing up a lab that runs takes under a second and leaves every process as it is."""
    before = pids(state)
    began = time.monotonic()
    lab.up(state=state)
    assert time.monotonic() - began < 1
    assert pids(state) == before
    assert set(before) == {"registry", "engine", "host1"}


@needs_own_engine
def test_up_restarts_what_died(state: Path) -> None:
    """A registry that was killed runs again, with its images, and the engines are left alone."""
    before = pids(state)
    os.kill(before["registry"] or 0, 9)
    running = lab.up(state=state)
    after = pids(state)
    assert after["registry"] not in {None, before["registry"]}
    assert {**after, "registry": 0} == {**before, "registry": 0}
    assert docker(running, "pull", "--quiet", running.store_image) == running.store_image


@needs_own_engine
def test_up_takes_the_place_of_what_was_not_recorded(state: Path) -> None:
    """Daemons whose start was not written down are ended, not doubled, by the next up."""
    before = pids(state)
    record = json.loads((state / "lab.json").read_text())
    (state / "lab.json").write_text(json.dumps({**record, "processes": {}}))
    lab.up(state=state)
    assert set(pids(state)) == set(before)
    assert not {pid for pid in before.values() if pid and processes.observe(pid)}


@needs_own_engine
def test_a_host_publishes_at_its_own_address(state: Path) -> None:
    """A host pulls from the registry over the network, and its ports answer at its address."""
    running = lab.up(state=state)
    options = ("--rm", "--detach", "--publish", "6400:6379")
    docker(running, "run", *options, "--name", "store", running.store_image, host="host1")
    try:
        client = ("run", "--rm", running.store_image, "valkey-cli", "-p", "6400")
        assert docker(running, *client, "-h", running.addresses["host1"], "ping") == "PONG"
    finally:
        docker(running, "rm", "--force", "store", host="host1")


@needs_own_engine
def test_the_registry_asks_for_the_password(state: Path, tmp_path: Path) -> None:
    """Without the lab's credentials an engine cannot pull from its registry."""
    running = lab.up(state=state)
    stranger = {**os.environ, **running.environ(), "DOCKER_CONFIG": str(tmp_path)}
    command = ["docker", "pull", running.base_image]
    pull = subprocess.run(command, env=stranger, capture_output=True, text=True, check=False)
    assert pull.returncode == 1
    assert "no basic auth credentials" in pull.stderr


@needs_own_engine
def test_down_leaves_nothing(state: Path) -> None:
    """Taken down with containers running, one of them deaf to signals, a lab leaves no trace."""
    place = Place.of(state)
    running = lab.up(state=state)
    subnet = json.loads(place.record.read_text())["subnet"]
    deaf = ("sh", "-c", "trap '' TERM; while :; do sleep 1; done")
    docker(running, "network", "create", "extra")
    docker(running, "run", "--detach", "--network", "extra", running.store_image, *deaf)
    docker(running, "run", "--detach", running.store_image, host="host1")
    assert traces(place, subnet)
    lab.down(place.state)
    assert traces(place, subnet) == []


@pytest.mark.parametrize(("difference", "ended"), [(0, True), (-1, False)])
@needs_own_engine
def test_down_ends_only_what_the_lab_started(
    tmp_path: Path, sleeper: subprocess.Popen[bytes], difference: int, ended: bool
) -> None:
    """A recorded number that belongs to another process by now is left alone."""
    actual = processes.observe(sleeper.pid)
    assert actual is not None
    recorded = {**asdict(actual), "started": actual.started + difference}
    state = tmp_path / "state"
    state.mkdir()
    (state / "lab.json").write_text(
        json.dumps({"mode": "own", "processes": {"engine": recorded}, "credentials": None})
    )
    lab.down(state)
    assert (sleeper.poll() is not None) == ended


def test_down_refuses_what_is_not_a_lab(tmp_path: Path) -> None:
    """A directory without a lab's record is never removed."""
    (tmp_path / "precious").touch()
    with pytest.raises(lab.LabError, match="is not a lab"):
        lab.down(tmp_path)
    assert (tmp_path / "precious").exists()


@pytest.mark.parametrize(
    ("lacking", "remedy"),
    [
        ({"root": False}, "run it with sudo"),
        ({"apt": False}, "install Docker Engine"),
        ({"cgroups": False}, "privileged container"),
        ({"linux": False}, "start Docker Desktop"),
    ],
)
def test_what_is_missing_is_said_with_its_remedy(lacking: dict[str, bool], remedy: str) -> None:
    """A machine that cannot run engines gets one error that names why and what to do."""
    with pytest.raises(lab.LabError, match=remedy):
        machine.require(Machine(**{**asdict(CAPABLE), **lacking}), engine=True)


def test_a_registry_alone_needs_no_cgroups() -> None:
    """Where no engine is to run, a machine without cgroups lacks nothing."""
    machine.require(replace(CAPABLE, cgroups=False), engine=False)


def test_a_capable_machine_is_not_refused() -> None:
    """Root on a Debian with cgroups lacks nothing."""
    assert machine.missing(CAPABLE) == []


@pytest.mark.parametrize(
    ("engine_answers", "images_arrive", "mode"),
    [
        (True, True, Mode.BORROWED),
        (True, False, Mode.OWN),
        (False, False, Mode.OWN),
    ],
)
def test_whose_engine_is_used(engine_answers: bool, images_arrive: bool, mode: Mode) -> None:
    """The machine's engine is used only where public images reach it."""
    assert machine.decide(engine_answers=engine_answers, images_arrive=images_arrive) is mode


def test_labs_choose_networks_that_are_free() -> None:
    """The same lab gets the same network, and the next one where that is taken."""
    first = network.choose_subnet("0000cafe", [])
    second = network.choose_subnet("0000cafe", [first])
    assert first == network.choose_subnet("0000beef", [])
    assert not first.overlaps(second)


@dataclass(frozen=True)
class Starting:
    """As much of a lab as its network needs: a key that others have as well, and a bridge."""

    key: str
    bridge: str

    def interface(self, _part: str) -> str:
        return self.bridge


class Unsaved(Record):
    """A record that nobody reads again."""

    def save(self, place: Place) -> None:
        """Leave it in memory."""


def test_labs_that_start_together_get_different_networks() -> None:
    """Whoever chooses first has taken it before the next one looks."""
    labs = [Starting("0000cafe", f"bo-start{number}") for number in range(4)]
    records = [Unsaved(mode="own") for _ in labs]
    try:
        with ThreadPoolExecutor(len(labs)) as pool:
            list(pool.map(claim_subnet, cast("list[Any]", labs), records))
        assert len({record.subnet for record in records}) == len(labs)
    finally:
        for one in labs:
            subprocess.run(["ip", "link", "delete", one.bridge], check=False)
