"""Whether a release is available: every part of its images is in the registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from buildonce.errors import IntegrityError
from buildonce.parallel import run_all, run_by_key
from buildonce.refs import Digest, ImageRef, Repository
from buildonce.registry import Manifest, family_of


class Parts(Protocol):
    """What holds images' parts."""

    def manifest(self, ref: ImageRef) -> Manifest | None:
        """Return what a reference names."""
        ...

    def has_blob(self, repository: Repository, digest: Digest) -> bool:
        """Tell whether a blob is there."""
        ...


def require_available(sha: str, images: Mapping[str, ImageRef], parts: Parts) -> None:
    """Prove that every service's manifest, configuration and layers are in the registry.

    ``images`` are those of the release ``sha``, by service and by digest.

    Raises:
        IntegrityError: naming every part that is missing.
    """
    missing = [f"{service}: {part}" for service, its in lost(images, parts).items() for part in its]
    if missing:
        raise IntegrityError(
            f"release {sha} is no longer available; missing in the registry:\n  "
            + "\n  ".join(missing),
            hint="choose another release: inv history ENV lists them",
        )


def lost(images: Mapping[str, ImageRef], parts: Parts) -> dict[str, list[str]]:
    """Return which parts of images are not in the registry, in words; no key where none is."""
    families = run_by_key(lambda ref: family_of(parts.manifest, ref), images)
    blobs = [
        (service, kind, manifest.ref.repository, digest)
        for service, family in families.items()
        for manifest in family
        for kind, digest in _blobs(manifest)
    ]
    found = run_all(lambda blob: parts.has_blob(blob[2], blob[3]), blobs)
    missing = {service: ["manifest"] for service, family in families.items() if not family}
    for (service, kind, _, digest), is_there in zip(blobs, found, strict=True):
        if not is_there:
            missing.setdefault(service, []).append(f"{kind} {digest}")
    return missing


def _blobs(manifest: Manifest) -> list[tuple[str, Digest]]:
    if not manifest.is_plain:
        return []
    return [("configuration", manifest.config), *(("layer", layer) for layer in manifest.layers)]
