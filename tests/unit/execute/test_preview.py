"""What a dry run shows behind its steps: for a hundred services no more than for one."""

from __future__ import annotations

from typing import Any, cast

import pytest

from buildonce.execute.preview import preview
from buildonce.plan.steps import MANY, Copy, CopyImages, Point, RemoveTag
from tests.kit.samples import release

IMAGE = release(1).services["api"]
NO_BUILDS = cast(Any, None)


def point(name: str) -> Point:
    return Point(name, IMAGE.tag(name), None, IMAGE.digest)


@pytest.mark.parametrize(("count", "lines"), [(1, 1), (MANY, MANY), (100, 2)])
def test_many_requests_are_shown_once(count: int, lines: int) -> None:
    """The first pointer's request stands for all, and how many more there are is said."""
    said = preview([point(f"s{number}") for number in range(count)], NO_BUILDS)
    assert len(said) == lines
    assert (said[-1] == "and the same for 99 more") is (count == 100)


def test_each_kind_is_shown() -> None:
    """Many copies in one step, and many tags that go, are told apart."""
    copies = [Copy("s", IMAGE.ref, IMAGE.tag(f"t{n}"), IMAGE.digest, there=False) for n in range(9)]
    removals = [RemoveTag("sha", IMAGE.tag(f"t{number}")) for number in range(9)]
    said = preview([CopyImages("live", tuple(copies)), *removals], NO_BUILDS)
    assert [line.split()[0] for line in said] == ["docker", "and", "DELETE", "and"]
