"""The Compose file that runs releases: images by digest, and nothing of the checkout."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from buildonce.adopt.compose import ComposeFile
from buildonce.adopt.mounts import Ported, ported
from buildonce.adopt.service import Found, slug
from buildonce.adopt.survey import Survey, below
from buildonce.config.fields import image_variable

_EXAMPLES = ("", ".example", ".sample", ".template", ".dist")
_ASSIGNED = re.compile(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=", re.MULTILINE)


@dataclass(frozen=True)
class EnvFile:
    """A file of variables that a service is started with, and git does not have.

    ``names`` are its variables, as far as the folder has the file or an example of it.
    """

    service: str
    path: str
    names: tuple[str, ...]


def release_file(survey: Survey, compose: ComposeFile, services: Sequence[Found]) -> str:
    """Return the Compose file with each ``build`` replaced by the release's image.

    What it mounts from the repository travels with a release, as far as that can be, and so do
    the names of variables that come from a file that git does not have.
    """
    instead = ported(survey, compose, services)
    images = {user: image_variable(service.name) for service in services for user in service.users}
    lacking = env_files_outside(survey, compose)
    parts = {
        name: _without_checkout(
            survey, compose,
            _by_image(part, images[name]) if name in images else dict(part),
            [one for one in instead if one.mount.service == name],
            [one for one in lacking if one.service == name and one.names],
        )
        for name, part in compose.services.items()
    }  # fmt: skip
    kept = {
        key: value
        for key, value in compose.document.items()
        if not key.startswith("x-") and key != "version"
    }
    document = {**kept, "services": parts}
    if new := {_config(file): file for one in instead for file in one.files}:
        files = {
            name: {"file": f"./{posixpath.relpath(file, compose.folder)}"}
            for name, file in new.items()
        }
        document["configs"] = {**(kept.get("configs") or {}), **files}
    return f"# What environments run: {compose.path}, with a release's images.\n{_dump(document)}"


def env_files_outside(survey: Survey, compose: ComposeFile) -> list[EnvFile]:
    """Return the services' files of variables that git does not have."""
    return [
        EnvFile(service, path, _names(survey, path))
        for service, part in compose.services.items()
        for path in _paths(compose, part)
        if not survey.has(path)
    ]


def _paths(compose: ComposeFile, part: Mapping[str, Any]) -> Iterator[str]:
    for one in _listed(part.get("env_file")):
        if not (isinstance(one, dict) and one.get("required") is False):
            yield below(compose.folder, _path(one))


def _names(survey: Survey, path: str) -> tuple[str, ...]:
    """Return the names of a file's variables; its values are never taken."""
    text = next(filter(None, (survey.whatever(f"{path}{end}") for end in _EXAMPLES)), "")
    return tuple(dict.fromkeys(_ASSIGNED.findall(text)))


def _without_checkout(
    survey: Survey, compose: ComposeFile, part: dict[str, Any], instead: Sequence[Ported],
    lacking: Sequence[EnvFile],
) -> dict[str, Any]:  # fmt: skip
    """Return a service that needs nothing of the checkout, where that is known."""
    written = [one.mount.written for one in instead]
    covered = [one.mount.target for one in instead if not one.files]
    configs = [_use(survey, one, file) for one in instead for file in one.files]
    volumes = [
        volume
        for volume in part.get("volumes") or ()
        if volume not in written and not _is_below(volume, covered)
    ]
    names = [name for one in lacking for name in one.names]
    gone = {one.path for one in lacking}
    env_files = [
        one
        for one in _listed(part.get("env_file"))
        if below(compose.folder, _path(one)) not in gone
    ]
    changed: dict[str, Any] = {}
    if written:
        changed["volumes"] = volumes
    if configs:
        changed["configs"] = [*(part.get("configs") or ()), *configs]
    if names:
        given = {name: f"${{{name}}}" for name in names}
        changed["env_file"] = env_files
        changed["environment"] = {**given, **_mapping(part.get("environment"))}
    return {key: value for key, value in {**part, **changed}.items() if value or key not in changed}


def _use(survey: Survey, one: Ported, file: str) -> dict[str, Any]:
    use = {"source": _config(file), "target": one.target(file)}
    return {**use, "mode": "0555"} if survey.is_executable(file) else use


def _config(file: str) -> str:
    return slug(file)


def _is_below(volume: object, targets: Sequence[str]) -> bool:
    """Tell whether an anonymous volume kept a folder of the image from such a mount."""
    path = str(volume)
    return path.startswith("/") and ":" not in path and path.startswith(tuple(
        f"{target}/" for target in targets
    ))  # fmt: skip


def _listed(value: Any) -> list[Any]:
    if not value:
        return []
    return [value] if isinstance(value, str | dict) else list(value)


def _path(env_file: Any) -> str:
    return str(env_file.get("path", "") if isinstance(env_file, dict) else env_file)


def _mapping(environment: Any) -> dict[str, Any]:
    if isinstance(environment, Mapping):
        return dict(environment)
    pairs = (str(entry).partition("=") for entry in environment or ())
    return {name: value if equals else None for name, equals, value in pairs}


def _by_image(part: Mapping[str, Any], variable: str) -> dict[str, Any]:
    dropped = ("build", "develop", "image", "pull_policy")
    kept = {key: value for key, value in part.items() if key not in dropped}
    return {"image": f"${{{variable}}}", **kept}


class _Dumper(yaml.SafeDumper):
    """Writes what is there twice twice: anchors are for people who write."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # the name is the library's
        """Tell that nothing is written as an alias."""
        return True


def _dump(document: Mapping[str, Any]) -> str:
    return yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
