"""Pointers: which ones move, and what is said where they cannot."""

from __future__ import annotations

import pytest

from buildonce.errors import UnavailableError
from buildonce.plan.pointers import moves, pointers_wait
from buildonce.plan.steps import Point, Unpoint
from tests.kit.samples import release

FIRST, PART = release(1), release(2, "web", expects=("web",))


@pytest.mark.parametrize(
    ("sha", "afterwards"), [("abc", "inv promote live --sha abc"), (None, "inv status")]
)
def test_what_to_do_once_the_registry_answers(sha: str | None, afterwards: str) -> None:
    """The release that the containers went back to is promoted; of none, the state is looked at."""
    said = pointers_wait("live", sha, UnavailableError("r.io did not answer"))
    assert said.startswith("r.io did not answer; the pointers of live stay as they are\n")
    assert said.endswith(f": {afterwards}")


def test_a_pointer_moves_or_goes() -> None:
    """Each to what the release has; that of a service that is no more is removed; none waits."""
    found = moves("live", PART, FIRST, FIRST.digests())
    old, web, api = FIRST.digests(), PART.services["web"], FIRST.services["api"]
    assert found == (
        Point("web", web.tag("live"), old["web"], web.digest, may_wait=False),
        Unpoint("api", api.tag("live"), old["api"], may_wait=False),
    )


def test_pointers_that_are_not_known_stay() -> None:
    """Without an answer of the registry nothing is planned."""
    assert moves("live", PART, FIRST, None) == ()
