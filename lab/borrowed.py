"""A lab on the machine's own engine, with public images; only the registry is the lab's."""

from __future__ import annotations

import json

from lab.errors import LabError
from lab.model import LOOPBACK, Lab, Part, Record
from lab.place import Place
from lab.registry import Client
from lab.shell import run

BASE = "python:3.13-slim"
STORE = "valkey/valkey:8-alpine"
REGISTRY = "registry:2"
PULL_SECONDS = 300.0


def engine_answers() -> bool:
    """Whether the docker client reaches an engine."""
    return _succeeds(["docker", "version", "--format", "{{.Server.Version}}"], seconds=10)


def images_arrive(engine: bool) -> bool:
    """Whether the engine has the registry's image, and with `engine` the others, by now.

    Pulls those that it lacks.
    """
    return all(
        _succeeds(["docker", "image", "inspect", image], seconds=10)
        or _succeeds(["docker", "pull", "--quiet", image], seconds=PULL_SECONDS)
        for image in ((BASE, STORE, REGISTRY) if engine else (REGISTRY,))
    )


def up(place: Place, record: Record) -> Lab:
    """Have the registry's container running.

    Raises:
        LabError: the engine did not run it.
    """
    if not _running(place):
        remove(place)
        _run_registry(place, record)
    if record.engine and not record.base_image:
        record.docker_host = _endpoint()
        record.base_image, record.store_image = _pinned(BASE), _pinned(STORE)
        record.save(place)
    return lab(place, record)


def lab(place: Place, record: Record) -> Lab:
    """The lab that this record describes."""
    return Lab(
        state=place.state,
        registry=_address(record),
        docker_host=record.docker_host,
        base_image=record.base_image,
        store_image=record.store_image,
    )


def status(place: Place, record: Record) -> list[Part]:
    """The registry's container, and the engine that it borrows."""
    answers = _running(place) and Client(_address(record)).answers()
    return [
        Part(name="registry", address=_address(record), pid=None, running=answers),
        *([_borrowed_engine(record)] if record.engine else []),
    ]


def remove(place: Place) -> None:
    """Remove the registry's container and what it stored."""
    if _succeeds(["docker", "container", "inspect", _container(place)], seconds=10):
        run(["docker", "container", "rm", "--force", "--volumes", _container(place)])


def _borrowed_engine(record: Record) -> Part:
    return Part(name="engine", address=record.docker_host, pid=None, running=engine_answers())


def _run_registry(place: Place, record: Record) -> None:
    port = f"{record.port}:5000" if record.port else ":5000"
    command = ["docker", "run", "--detach", "--name", _container(place)]
    command += ["--publish", f"{LOOPBACK}:{port}", "--env", "REGISTRY_STORAGE_DELETE_ENABLED=true"]
    run([*command, REGISTRY])
    published = run(["docker", "container", "port", _container(place), "5000/tcp"])
    record.port = int(published.split()[0].rpartition(":")[2])
    record.save(place)


def _running(place: Place) -> bool:
    state = ["docker", "container", "inspect", "--format", "{{.State.Running}}", _container(place)]
    try:
        return run(state).strip() == "true"
    except LabError:
        return False


def _container(place: Place) -> str:
    return f"{place.mark}-registry"


def _address(record: Record) -> str:
    return f"{LOOPBACK}:{record.port}"


def _endpoint() -> str:
    return run(["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]).strip()


def _pinned(image: str) -> str:
    """The image by the digest under which it was pulled; by its tag where it was not."""
    every = run(["docker", "image", "inspect", "--format", "{{json .RepoDigests}}", image])
    repository = image.partition(":")[0]
    digests = [one for one in json.loads(every) if one.startswith(f"{repository}@")]
    return digests[0] if digests else image


def _succeeds(command: list[str], *, seconds: float) -> bool:
    try:
        run(command, timeout=seconds)
    except LabError:
        return False
    return True
