"""Bind mounts of the repository's files, and how they can travel with a release instead."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from buildonce.adopt.compose import ComposeFile
from buildonce.adopt.contexts import copies
from buildonce.adopt.service import Found
from buildonce.adopt.survey import Survey, below

_MOST_FILES = 20
_LONGEST = 500_000
"""Characters of a config: what Swarm takes as well."""


@dataclass(frozen=True)
class Mount:
    """A file or folder of the repository that a service of the Compose file mounts.

    ``written`` is its entry there and ``source`` its path in that; ``path`` is relative to the
    root.
    """

    service: str
    written: object
    source: str
    path: str
    target: str


@dataclass(frozen=True)
class Ported:
    """A mount that a release does without: its image has it or, as configs, its ``files`` do."""

    mount: Mount
    files: tuple[str, ...] = ()

    def target(self, file: str) -> str:
        """Return where a file is in the container."""
        inside = file.removeprefix(self.mount.path)
        return self.mount.target + inside


def mounts(compose: ComposeFile) -> Iterator[Mount]:
    """Give the repository's files and folders that services mount."""
    for service, part in compose.services.items():
        for volume in part.get("volumes") or ():
            source, target = _ends(volume)
            if source.startswith("."):
                path = below(compose.folder, source)
                yield Mount(service, volume, source, path, posixpath.normpath(target))


def ported(survey: Survey, compose: ComposeFile, services: Sequence[Found]) -> list[Ported]:
    """Return the mounts that a release can do without."""
    images = {user: service for service in services for user in service.users}
    found = (_ported(survey, mount, images.get(mount.service)) for mount in mounts(compose))
    return [one for one in found if one]


def _ported(survey: Survey, mount: Mount, image: Found | None) -> Ported | None:
    if "$" in mount.source + mount.target or mount.path.startswith(".."):
        return None
    if image and _is_copied(survey, mount, image):
        return Ported(mount)
    files = tuple(
        file for file in survey.files if file == mount.path or file.startswith(f"{mount.path}/")
    )
    if 0 < len(files) <= _MOST_FILES and all(_is_text(survey.text(file)) for file in files):
        return Ported(mount, files)
    return None


def _is_copied(survey: Survey, mount: Mount, image: Found) -> bool:
    """Tell whether the image has at the mount's target what would be mounted there."""
    if not survey.has(image.dockerfile):
        return False
    for source, place in copies(survey.text(image.dockerfile)):
        copied = below(image.context, source)
        is_put_into = place.endswith("/") and copied in survey.files
        destination = place + posixpath.basename(copied) if is_put_into else place.rstrip("/")
        for outer, inner, there, here in (
            (copied, mount.path, destination, mount.target),
            (mount.path, copied, mount.target, destination),
        ):
            inside = posixpath.relpath(inner, outer)
            if not inside.startswith("..") and posixpath.normpath(f"{there}/{inside}") == here:
                return True
    return False


def _ends(volume: object) -> tuple[str, str]:
    """Return what is mounted, and where; both empty for an anonymous volume."""
    if isinstance(volume, dict):
        return str(volume.get("source") or ""), str(volume.get("target") or "")
    source, _, rest = str(volume).partition(":")
    return (source, rest.partition(":")[0]) if rest else ("", "")


def _is_text(text: str) -> bool:
    return len(text) <= _LONGEST and not {"\0", "\N{REPLACEMENT CHARACTER}"} & {*text}
