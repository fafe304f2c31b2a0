"""A lab of the machine's own making: Debian packages, a dockerd, a registry, two images."""

from __future__ import annotations

import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import daemons, images, network, packages, processes
from .engine import PROGRAMS, Engine
from .machine import Machine, require_own_engine
from .model import LOOPBACK, Lab, Record
from .place import PREFIX, RUN, Place, cache
from .progress import stage
from .registry import Client, configuration
from .shell import run

RECIPES = (images.PYTHON, images.STORE)


def up(place: Place, record: Record) -> Lab:
    """Have every part of the lab running.

    Raises:
        LabError: the machine lacks something, or a part did not start.
    """
    _ensure_packages_and_images()
    _ensure_network(place, record)
    _ensure_registry(place, record)
    with stage("engine"):
        daemons.ensure(_engine_daemon(_engine(place, record)), place, record)
    _ensure_images(place, record)
    return lab(place, record)


def lab(place: Place, record: Record) -> Lab:
    """The lab that this record describes."""
    return Lab(
        state=place.state,
        registry=_address(record),
        docker_host=_engine(place, record).url,
        base_image=record.base_image,
        store_image=record.store_image,
    )


def down(place: Place, record: Record | None) -> None:
    """Take away everything that carries this lab's name, whether it was recorded or not."""
    for name in reversed(record.processes if record else {}):
        processes.stop(record.processes[name], seconds=15)
    _stop_orphans(place)
    _unmount([place.state, place.run])
    if shutil.which("iptables-save"):
        network.remove_rules(place.mark)
    if shutil.which("ip"):
        network.remove_links(record.subnet if record else "", place.interface(""))
    shutil.rmtree(place.run, ignore_errors=True)
    if record and not any(RUN.glob(f"{PREFIX}*")):
        network.restore_forwarding(record.forwarding)


def _ensure_packages_and_images() -> None:
    recipes = [recipe for recipe in RECIPES if not images.cached(recipe, cache())]
    tools = packages.missing_image_tools() if recipes else []
    engine = packages.missing_engine()
    if not (recipes or engine):
        return
    require_own_engine(Machine.observe())
    apt = cache() / "apt"
    if tools or engine:
        with stage("package lists"):
            packages.refresh(apt)
    with stage("tools that make images"):
        packages.install(tools, apt)
    with ThreadPoolExecutor() as together:
        jobs = [together.submit(_make, recipe) for recipe in recipes]
        jobs.append(together.submit(_install, engine, apt))
        for job in jobs:
            job.result()


def _make(recipe: images.Recipe) -> None:
    with stage(f"image {recipe.repository}"):
        images.make(recipe, cache(), packages.mirror())


def _install(names: list[str], apt: Path) -> None:
    with stage("packages of the engine and the registry"):
        packages.install(names, apt)


def _ensure_network(place: Place, record: Record) -> None:
    if not record.subnet:
        record.subnet = str(network.choose_subnet(place.key, network.taken()))
        record.save(place)
    before = network.enable_forwarding()
    if not record.forwarding:
        record.forwarding = before
        record.save(place)
    network.ensure_bridge(place.interface("d"), network.part(record.subnet, 0))
    network.ensure_way_out(record.subnet, place.mark)


def _ensure_registry(place: Place, record: Record) -> None:
    if not record.port:
        record.port = _free_port()
        record.save(place)
    file = place.run / "registry.json"
    daemons.ensure(
        daemons.Daemon(
            name="registry",
            command=["docker-registry", "serve", str(file)],
            file=file,
            configuration=configuration(
                address=_address(record), storage=place.state / "registry", htpasswd=None
            ),
            ready=_client(record).answers,
        ),
        place,
        record,
    )


def _ensure_images(place: Place, record: Record) -> None:
    references = [_ensure_image(recipe, record) for recipe in RECIPES]
    if references != [record.base_image, record.store_image]:
        record.base_image, record.store_image = references
        record.save(place)


def _ensure_image(recipe: images.Recipe, record: Record) -> str:
    digest = images.digest(recipe, cache())
    if not _client(record).has(recipe.repository, digest, images.MANIFEST_TYPE):
        with stage(f"push of {recipe.repository}"):
            images.push(recipe, cache(), _client(record))
    return f"{_address(record)}/{recipe.repository}:{recipe.tag}@{digest}"


def _engine(place: Place, record: Record) -> Engine:
    return Engine(place=place, name="engine", subnet=record.subnet)


def _engine_daemon(engine: Engine) -> daemons.Daemon:
    return daemons.Daemon(
        name=engine.name,
        command=engine.command,
        file=engine.place.run / f"{engine.name}.json",
        configuration=engine.configuration(),
        ready=engine.answers,
        pidfile=engine.pidfile,
        seconds=60,
    )


def _address(record: Record) -> str:
    return f"{LOOPBACK}:{record.port}"


def _client(record: Record) -> Client:
    return Client(_address(record), record.credentials)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _stop_orphans(place: Place) -> None:
    for program in (*PROGRAMS, "docker-registry"):
        for process in processes.naming(place.run, [program]):
            for child in list(processes.children(process)):
                processes.stop(child, seconds=0)
            processes.stop(process, seconds=5)


def _unmount(folders: list[Path]) -> None:
    points = [
        line.split()[1].encode().decode("unicode_escape")
        for line in Path("/proc/mounts").read_text().splitlines()
    ]
    for point in reversed(points):
        if any(Path(point).is_relative_to(folder) for folder in folders):
            run(["umount", "--lazy", point])
