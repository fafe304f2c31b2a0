"""Stack files of a bundle: what ``docker stack deploy`` takes of what Compose reads."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from buildonce.engines.composefile import dump
from buildonce.refs import digest_of

_RANGE = re.compile(r"\d+-\d+")


def stack_file(bundle: str, stack: str) -> str:
    """Return a bundle as a stack file.

    Configs get names with their content's hash: Swarm cannot change a config, so another
    content is another config, and a rollback finds the former one.
    """
    model = yaml.safe_load(bundle)
    services = model.get("services") or {}
    model["services"] = {name: plain_service(service or {}) for name, service in services.items()}
    for key, config in (model.get("configs") or {}).items():
        if "content" in config and "name" not in config:
            config["name"] = f"{stack}_{key}_{_content_hash(config)}"
    return dump(model)


@contextmanager
def with_files(text: str, resolved: Callable[[], Mapping[str, Any]], stack: str) -> Iterator[str]:
    """Give a stack file as ``docker stack`` takes it.

    The contents of configs are files. Secrets from files get names with a fingerprint of what is
    in them now: Swarm cannot change a secret either, and another one reaches the services that use
    it. The fingerprint stands in the Swarm alone, whose managers have the secret itself.
    """
    model = yaml.safe_load(text)
    for key in _changing(model):
        known = (resolved().get("secrets") or {}).get(key) or {}
        file = Path(known.get("file", ""))
        if file.is_file():
            model["secrets"][key]["name"] = f"{stack}_{key}_{_fingerprint(file.read_bytes())}"
    configs = model.get("configs") or {}
    contents = {key: config for key, config in configs.items() if "content" in config}
    with TemporaryDirectory(prefix="buildonce-") as folder:
        for number, (key, config) in enumerate(contents.items()):
            file = Path(folder) / str(number)
            file.write_bytes(_content(config))
            rest = {name: value for name, value in config.items() if name != "content"}
            configs[key] = {**rest, "file": str(file)}
        yield dump(model)


def _changing(model: Mapping[str, Any]) -> list[str]:
    """Return the secrets that are files and have no name of their own."""
    secrets = (model.get("secrets") or {}).items()
    return [key for key, secret in secrets if secret and "file" in secret and "name" not in secret]


def _fingerprint(secret: bytes) -> str:
    return hashlib.scrypt(secret, salt=b"a name in a Swarm", n=2**10, r=8, p=1, dklen=6).hex()


def plain_service(service: Mapping[str, Any]) -> dict[str, Any]:
    """Return a service as ``docker stack`` knows it, of what Compose makes of it."""
    plain = {name: value for name, value in service.items() if name != "depends_on"}
    if "volumes" in plain:
        plain["volumes"] = [_volume(volume) for volume in plain["volumes"]]
    if "ports" in plain:
        plain["ports"] = [_port(port) for port in plain["ports"]]
    if "devices" in plain:
        plain["devices"] = [_device(device) for device in plain["devices"]]
    return plain


def _port(port: Any) -> Any:
    """Compose writes the published port, or a range, as a string: here it is a number."""
    published = "" if isinstance(port, str) else str(port.get("published", ""))
    if published.isdecimal():
        return {**port, "published": int(published)}
    if _RANGE.fullmatch(published):
        return f"{published}:{port['target']}/{port.get('protocol', 'tcp')}"
    return port


def _device(device: Any) -> Any:
    if isinstance(device, str):
        return device
    return ":".join(device[name] for name in ("source", "target", "permissions") if name in device)


def _volume(volume: Any) -> Any:
    if isinstance(volume, str):
        return volume
    bind = {k: v for k, v in (volume.get("bind") or {}).items() if k != "create_host_path"}
    rest = {name: value for name, value in volume.items() if name != "bind"}
    return {**rest, "bind": bind} if bind else rest


def _content(config: Mapping[str, Any]) -> bytes:
    return str(config["content"]).replace("$$", "$").encode()


def _content_hash(config: Mapping[str, Any]) -> str:
    return digest_of(_content(config)).partition(":")[2][:12]
