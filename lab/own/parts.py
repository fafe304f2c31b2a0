"""A lab of its own: engines, a registry and images that this machine did not have."""

from __future__ import annotations

import json
import secrets
import socket
from pathlib import Path

from lab import registry
from lab.model import LOOPBACK, Lab, Part, Record
from lab.own import daemons, images, network, supplies, swarm
from lab.own.engine import Engine
from lab.own.kubernetes import programs
from lab.own.kubernetes.cluster import NAME, Cluster
from lab.place import RUN, Place, cache, locked
from lab.progress import stage


def up(place: Place, record: Record) -> Lab:
    """Have every part of the lab running, and only start what is not.

    Raises:
        LabError: the machine lacks something, or a part did not start.
    """
    supplies.ensure(engine=record.engine, kubernetes=record.kubernetes)
    if record.kubernetes and not Path(record.programs, programs.DNS).exists():
        record.programs = str(programs.ensure())
    _ensure_addresses(place, record)
    if record.engine:
        _ensure_network(place, record)
    _ensure_credentials(place, record)
    with stage("registry and engines" if record.engine else "registry"):
        wanted = [engine.daemon() for engine in _engines(place, record)]
        daemons.ensure([_registry_daemon(place, record), *wanted], place, record)
    if record.engine:
        with stage("images in the registry"):
            _ensure_images(place, record)
    if record.swarm:
        with stage("swarm"):
            swarm.ensure(_engines(place, record)[1:])
    if record.kubernetes:
        with stage("kubernetes"):
            _cluster(place, record).ensure(record)
    return lab(place, record)


def new_credentials() -> registry.Credentials:
    """A name and a password that nobody has chosen."""
    return registry.Credentials(username="lab", password=secrets.token_urlsafe(18))


def lab(place: Place, record: Record) -> Lab:
    """The lab that this record describes."""
    engines = _engines(place, record)
    hosts = engines[1:]
    cluster = _cluster(place, record) if record.kubernetes else None
    return Lab(
        state=place.state,
        registry=_address(record),
        docker_host=engines[0].url if engines else "",
        base_image=record.base_image,
        store_image=record.store_image,
        hosts={host.name: host.url for host in hosts},
        addresses={
            **{host.name: host.address for host in hosts},
            **({NAME: cluster.address} if cluster else {}),
        },
        docker_config=place.credentials if record.credentials else None,
        kubeconfig=cluster.kubeconfig if cluster else None,
        pause_image=record.pause_image,
    )


def status(place: Place, record: Record) -> list[Part]:
    """The registry and every engine."""
    return [
        _part(record, "registry", _address(record), running=_client(record).answers()),
        *(
            _part(record, engine.name, engine.url, running=engine.answers())
            for engine in _engines(place, record)
        ),
        *(_cluster(place, record).parts(record) if record.kubernetes else ()),
    ]


def _engines(place: Place, record: Record) -> list[Engine]:
    """The engine on this machine, then those on hosts; none where only a registry runs."""
    return [
        Engine(
            place=place,
            subnet=record.subnet,
            number=number,
            mtu=record.mtu,
            registry_port=record.port,
        )
        for number in range(record.hosts + 1 if record.engine else 0)
    ]


def _address(record: Record) -> str:
    """Where the registry listens: on loopback, or on the network that the hosts are on."""
    reached = record.hosts or record.kubernetes
    host = network.lab(record.subnet)[1] if reached else LOOPBACK
    return f"{host}:{record.port}"


def _client(record: Record) -> registry.Client:
    """The registry, to be asked with the right credentials."""
    return registry.Client(_address(record), record.credentials)


def _ensure_addresses(place: Place, record: Record) -> None:
    if not record.port:
        record.port = _free_port()
        record.save(place)
    if record.engine and not record.subnet:
        record.forwarding = network.forwarding()
        claim_subnet(place, record)
    if record.engine and not record.mtu:
        record.mtu = network.mtu()
        record.save(place)


def claim_subnet(place: Place, record: Record) -> None:
    """Choose a subnet, and take it before another lab that comes up just now can choose it."""
    with locked(RUN):
        record.subnet = str(network.choose_subnet(place.key, network.taken()))
        record.save(place)
        network.ensure_bridge(place.interface("d"), network.bridge(record.subnet))


def _ensure_network(place: Place, record: Record) -> None:
    network.enable_forwarding()
    network.ensure_bridge(place.interface("d"), network.bridge(record.subnet))
    network.ensure_rules(record.subnet, place.mark)
    if record.hosts or record.kubernetes:
        network.ensure_bridge(place.interface("n"), network.lab(record.subnet))
    for engine in _engines(place, record)[1:]:
        network.ensure_host(
            engine.host, bridge=place.interface("n"), network=network.lab(record.subnet)
        )


def _ensure_credentials(place: Place, record: Record) -> None:
    if not record.credentials:
        return
    place.credentials.mkdir(mode=0o700, exist_ok=True)
    known = {"auths": {_address(record): {"auth": record.credentials.encode()}}}
    (place.credentials / "config.json").write_text(json.dumps(known, indent=2))
    if not _htpasswd(place).exists():
        _htpasswd(place).write_text(record.credentials.htpasswd())


def _registry_daemon(place: Place, record: Record) -> daemons.Daemon:
    file = place.run / "registry.json"
    return daemons.Daemon(
        name="registry",
        command=[registry.PROGRAM, "serve", str(file)],
        file=file,
        configuration=registry.configuration(
            address=_address(record),
            storage=place.state / "registry",
            htpasswd=_htpasswd(place) if record.credentials else None,
        ),
        ready=_client(record).answers,
    )


def _cluster(place: Place, record: Record) -> Cluster:
    return Cluster(
        place=place,
        subnet=record.subnet,
        mtu=record.mtu,
        registry=_address(record),
        pause=record.pause_image,
        programs=Path(record.programs),
        credentials=record.credentials,
    )


def _ensure_images(place: Place, record: Record) -> None:
    references = [_ensure_image(recipe, record) for recipe in supplies.RECIPES]
    if references != [record.base_image, record.store_image]:
        record.base_image, record.store_image = references
        record.save(place)
    if record.kubernetes:
        record.pause_image = _ensure_image(images.PAUSE, record)
        record.save(place)


def _ensure_image(recipe: images.Recipe, record: Record) -> str:
    digest = images.digest(recipe, cache())
    if not _client(record).has(recipe.repository, digest, images.MANIFEST_TYPE):
        images.push(recipe, cache(), _client(record))
    return f"{_address(record)}/{recipe.repository}:{recipe.tag}@{digest}"


def _part(record: Record, name: str, address: str, *, running: bool) -> Part:
    process = record.processes.get(name)
    return Part(name=name, address=address, pid=process.pid if process else None, running=running)


def _htpasswd(place: Place) -> Path:
    return place.state / "htpasswd"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
