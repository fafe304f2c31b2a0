"""Pointers: the registry tags that name what each environment runs, and how they move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from buildonce.errors import UnavailableError
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


def pointers_wait(environment: str, release: str | None, error: UnavailableError) -> str:
    """Return what is said where containers go back and the registry does not answer."""
    afterwards = f"inv promote {environment} --sha {release}" if release else "inv status"
    return (
        f"{error.message}; the pointers of {environment} stay as they are\n"
        f"  → once the registry answers again: {afterwards}"
    )


def moves(
    environment: str,
    release: Release | None,
    other: Release | None,
    pointers: Pointers | None,
    *,
    may_wait: bool = False,
) -> tuple[Point | Unpoint, ...]:
    """Return what makes the pointers name ``release``, where they may have named ``other``.

    A service that only the other one has is left without a pointer. Pointers that are not
    known (None) stay as they are. ``may_wait`` is for the way back of containers: a registry
    that does not answer does not stop it.
    """
    if pointers is None:
        return ()
    wanted = release.services if release else {}
    moved = [
        Point(name, image.tag(environment), pointers.get(name), image.digest, may_wait)
        for name, image in wanted.items()
        if pointers.get(name) != image.digest
    ]
    removed = [
        Unpoint(name, image.tag(environment), pointers[name], may_wait)
        for name, image in (other.services if other else {}).items()
        if name not in wanted and pointers.get(name) is not None
    ]
    return (*moved, *removed)
