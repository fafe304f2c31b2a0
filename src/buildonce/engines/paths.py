"""Paths in a Compose file: which ones a release can have, and which only its repository has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

NOWHERE = "/a-release-has-no-folder"
"""Where relative paths begin: nowhere, the same on every machine."""

_DEFAULTS = re.compile(r"^(?:\$\{[A-Za-z_]\w*:?-)+")
_SHORT_KEYS = {"type", "source", "target", "read_only", "bind", "volume"}


def is_relative(path: str) -> bool:
    """Tell whether a path begins at a folder of the repository, by itself or by its default.

    One that begins with a variable without a default is as relative as the variable's value:
    ``relative_paths`` finds that out.
    """
    path = _DEFAULTS.sub("", path)
    return bool(path) and not path.startswith(("/", "$", "}"))


def is_repository_mount(volume: Mapping[str, Any]) -> bool:
    """Tell whether a mount's source is a path of the repository.

    Compose takes a source that begins with a variable for a volume's name, as long as the
    variable has no value.
    """
    source = str(volume.get("source", ""))
    if volume.get("type") == "bind":
        return is_relative(source)
    return _DEFAULTS.sub("", source).startswith((".", "~"))


def mount(volume: Mapping[str, Any]) -> Any:
    """Return a mount as it is written into a bundle.

    A source that begins with a variable may be a volume or a path: the short form leaves that
    to Compose, once the variable has a value. What has no short form is what it says it is.
    """
    source, target = str(volume.get("source", "")), str(volume.get("target", ""))
    if not source and target.startswith("$"):
        return target
    if volume.get("type") != "volume" or not source.startswith("$") or set(volume) - _SHORT_KEYS:
        return volume
    options = _options(volume)
    return volume if options is None else ":".join(filter(None, (source, target, options)))


def has_variable_paths(model: Mapping[str, Any]) -> bool:
    """Tell whether it takes variables' values to know the definition's paths."""
    secrets = (model.get("secrets") or {}).values()
    mounts = (
        volume
        for service in (model.get("services") or {}).values()
        for volume in (service or {}).get("volumes") or ()
    )
    return any("$" in str(secret.get("file", "")) for secret in secrets) or any(
        "$" in f"{volume.get('source', '')}{volume.get('target', '')}" for volume in mounts
    )


def relative_paths(resolved: Mapping[str, Any]) -> Iterator[str]:
    """Give each path that begins nowhere in a definition whose variables have their values."""
    for name, service in (resolved.get("services") or {}).items():
        for volume in service.get("volumes") or ():
            if str(volume.get("source", "")).startswith(f"{NOWHERE}/"):
                yield f"{name} mounts {_below(volume['source'])}"
    for name, secret in (resolved.get("secrets") or {}).items():
        if str(secret.get("file", "")).startswith(f"{NOWHERE}/"):
            yield f"the secret {name} is the file {_below(secret['file'])}"


def _options(volume: Mapping[str, Any]) -> str | None:
    """Return a mount's options in the short form; None where it has others."""
    bind, named = dict(volume.get("bind") or {}), dict(volume.get("volume") or {})
    words = ["ro"] if volume.get("read_only") else []
    words += [str(bind.pop(key)) for key in ("selinux", "propagation") if key in bind]
    words += ["nocopy"] if named.pop("nocopy", False) else []
    return None if bind or named else ",".join(words)


def _below(path: str) -> str:
    return path.removeprefix(f"{NOWHERE}/")
