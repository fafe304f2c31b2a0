"""Pointers: the registry tags that name what each environment runs, and how they move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from buildonce.ledger.records.release import Release
from buildonce.plan.steps import Point, Unpoint
from buildonce.refs import Digest, ImageRef

Pointers: TypeAlias = Mapping[str, "Digest | None"]
"""What each service's pointer names; None where there is no such tag."""


def references(environment: str, *releases: Release | None) -> dict[str, ImageRef]:
    """Return an environment's pointers for the services of the releases; the first one counts."""
    return {
        name: image.tag(environment)
        for release in reversed(releases)
        if release
        for name, image in release.services.items()
    }


def moves(
    environment: str, release: Release | None, other: Release | None, pointers: Pointers
) -> tuple[Point | Unpoint, ...]:
    """Return what makes the pointers name ``release``, where they may have named ``other``.

    A service that only the other one has is left without a pointer.
    """
    wanted = release.services if release else {}
    moved = [
        Point(name, image.tag(environment), pointers.get(name), image.digest)
        for name, image in wanted.items()
        if pointers.get(name) != image.digest
    ]
    removed = [
        Unpoint(name, image.tag(environment), pointers[name])
        for name, image in (other.services if other else {}).items()
        if name not in wanted and pointers.get(name) is not None
    ]
    return (*moved, *removed)
