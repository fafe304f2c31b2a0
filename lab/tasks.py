"""Invoke tasks of the lab: `inv lab.up`, `inv lab.down`, `inv lab.status`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

import lab

PRECONDITION = 3


@task(
    help={
        "hosts": "Also run this many engines as network hosts: host1, host2…",
        "swarm": "Join the hosts in a Swarm, with host1 as its manager.",
        "auth": "Have the registry ask for a name and a password.",
        "kubernetes": "Also run a Kubernetes cluster, from the programs in $BUILDONCE_KUBERNETES.",
    }
)
def up(
    _: Context,
    hosts: int = 0,
    swarm: bool = False,
    auth: bool = False,
    kubernetes: bool = False,
) -> None:
    """Start an engine and a registry with the base images; only what does not run yet."""
    with _failing_clearly():
        running = lab.up(hosts=hosts, swarm=swarm, auth=auth, kubernetes=kubernetes)
    print(f"registry {running.registry}, engine {running.docker_host}")
    for name, url in running.hosts.items():
        print(f"{name} {running.addresses[name]}, engine {url}")
    if running.kubeconfig:
        print(f"kubernetes {running.addresses['kubernetes']}, its KUBECONFIG {running.kubeconfig}")
    print(f"next: . {shlex.quote(_short(running.state / 'env'))}")


@task
def down(_: Context) -> None:
    """Stop what `lab.up` started and remove everything that it made."""
    with _failing_clearly():
        lab.down()


@task(help={"json": "Print it as JSON."})
def status(_: Context, json_: bool = False) -> None:
    """Show the lab's registry and engines; exit 3 unless all of them answer."""
    parts = lab.status()
    if json_:
        print(json.dumps([asdict(part) for part in parts], indent=2))
    else:
        _show(parts)
    if not parts or not all(part.running for part in parts):
        sys.exit(PRECONDITION)


def _show(parts: list[lab.Part]) -> None:
    for part in parts:
        state = "running" if part.running else "stopped"
        pid = f"  pid {part.pid}" if part.pid else ""
        print(f"{part.name:<9} {state}  {part.address}{pid}")
    if not parts:
        print("no lab is up; start one with `inv lab.up`")
    elif not all(part.running for part in parts):
        print("start what has stopped with `inv lab.up`")


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


@contextmanager
def _failing_clearly() -> Iterator[None]:
    try:
        yield
    except lab.LabError as error:
        raise Exit(f"lab: {error}", code=PRECONDITION) from error


namespace = Collection("lab", up, down, status)
