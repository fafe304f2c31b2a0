"""How many requests a plan sends to registries, for those that limit them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from buildonce.plan.steps import (
    Bake,
    CarryOver,
    CopyImages,
    ForgetReleases,
    Import,
    Point,
    RemoveTag,
    Step,
    Unpoint,
)
from buildonce.refs import ImageRef

_TAGGED = 2
"""A tag for a manifest that is known: it is put there, and read back."""

_BUILT = 4
"""An image that Buildx pushed: is there a cache; its manifest, its revision, and its tag."""


def budget(steps: Iterable[Step], sent: Mapping[str, int]) -> list[str]:
    """Return a line for each registry: the requests ``sent`` so far, and those of the steps.

    They are the least that is needed: an expired token, an answer that wants a second try, or a
    tag that cannot be removed by its name costs more.
    """
    steps = list(steps)
    needed = Counter(registry for step in steps for registry in _requests(step))
    buildx = ", and those of Buildx" if any(map(_runs_buildx, steps)) else ""
    return [
        f"requests to {registry}: {sent.get(registry, 0)} to look, "
        f"at least {needed[registry]} more to carry this out{buildx}"
        for registry in sorted({*sent, *needed})
    ]


def _requests(step: Step) -> Iterator[str]:
    """Give the registry of each request."""
    if isinstance(step, CopyImages):
        for copy in step.copies:
            moved = [copy.tag] * _TAGGED if copy.there else [copy.source, copy.tag]
            yield from (ref.repository.registry for ref in moved)
    else:
        each, tags = _tags(step)
        yield from (tag.repository.registry for tag in tags for _ in range(each))


def _tags(step: Step) -> tuple[int, list[ImageRef]]:
    """Return the tags that a step writes, and how many requests each takes."""
    match step:
        case Point():
            return _TAGGED, [step.tag]
        case Unpoint():
            return 2, [step.tag]
        case RemoveTag():
            return 1, [step.tag]
        case ForgetReleases():
            return 1, [tag for tags in step.tags.values() for tag in tags]
        case CarryOver() | Import():
            return _TAGGED, [image.tag for image in step.images.values()]
        case Bake():
            return _BUILT, [target.tag for target in step.targets.values()]
        case _:
            return 0, []


def _runs_buildx(step: Step) -> bool:
    if isinstance(step, CopyImages):
        return not all(copy.there for copy in step.copies)
    return isinstance(step, Bake)
