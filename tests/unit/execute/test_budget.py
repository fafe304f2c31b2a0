"""How many requests a plan is announced to send."""

from __future__ import annotations

from buildonce.execute.budget import budget
from buildonce.plan.steps import Copy, CopyImages
from buildonce.refs import Repository
from tests.kit.samples import REGISTRY, digest, release

IMAGE = release(1).services["web"]
OWN = Repository("own.example.org", "web").tag("abc")


def announced(*, there: bool) -> list[str]:
    copy = Copy("web", IMAGE.ref, OWN, digest("web 1"), there)
    return budget([CopyImages("production", (copy,))], {"own.example.org": 3})


def test_an_image_that_is_there_is_tagged() -> None:
    """That costs its own registry two requests, and Buildx has nothing to do."""
    assert announced(there=True) == [
        "requests to own.example.org: 3 to look, at least 2 more to carry this out"
    ]


def test_an_image_that_is_copied_is_read_in_both_places() -> None:
    """Here before, there afterwards; what Buildx sends is not counted."""
    assert [line.partition(": ")[2] for line in announced(there=False)] == [
        f"{looked} to look, at least 1 more to carry this out, and those of Buildx"
        for looked in (3, 0)
    ]
    assert REGISTRY in announced(there=False)[1]
