"""Get a release's images onto an engine before anything is switched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from buildonce.engines.docker import Docker, Refused
from buildonce.errors import BuildonceError, IntegrityError, UnavailableError
from buildonce.parallel import run_by_key
from buildonce.refs import ImageRef, full_reference

LIMIT = 1800.0
"""Seconds for one image: large ones come over slow lines."""

_NOT_ALLOWED = re.compile(r"no basic auth credentials|unauthorized|authentication|denied|forbidden")
_NOT_THERE = re.compile(r"not found|manifest unknown|no such manifest")


def pull(docker: Docker, images: Mapping[str, ImageRef]) -> None:
    """Pull by digest what the engine has not got.

    Raises:
        IntegrityError: the registry has no such image.
        UnavailableError: the registry does not answer the engine, or wants credentials.
    """
    present = _present(docker, images.values())
    missing = {name: (name, ref) for name, ref in images.items() if str(ref) not in present}
    run_by_key(lambda item: _pull(docker, *item), missing)


def _present(docker: Docker, refs: Iterable[ImageRef]) -> set[str]:
    """Return the references, by digest, of those images that an engine has."""
    found = docker.inspect("image", [str(ref) for ref in refs])
    return {full_reference(name) for image in found for name in image.get("RepoDigests") or ()}


def _pull(docker: Docker, service: str, ref: ImageRef) -> None:
    try:
        docker.run("pull", "--quiet", str(ref), limit=LIMIT)
    except Refused as refused:
        raise _unpullable(docker, service, ref, refused.complaint) from None


def _unpullable(docker: Docker, service: str, ref: ImageRef, complaint: str) -> BuildonceError:
    what = f"{service}: {docker.target} cannot pull {ref}"
    if _NOT_ALLOWED.search(complaint.lower()):
        registry = ref.repository.registry
        return UnavailableError(
            f"{what}: the registry wants credentials, or others than it got",
            hint=f"docker login {registry}   (here: the engine gets them from this client)",
        )
    if _NOT_THERE.search(complaint.lower()):
        return IntegrityError(
            f"{what}: the registry no longer has it", hint="inv verify   (shows what else is gone)"
        )
    return UnavailableError(f"{what}: {complaint}", hint=docker.line("pull", str(ref)))
