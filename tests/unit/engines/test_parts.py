"""What engines need to know of one service of a definition."""

from __future__ import annotations

from typing import Any

import pytest

from buildonce.engines.parts import Part, digest_in
from tests.kit.samples import digest


def test_a_service_is_read() -> None:
    """Its image, how many there are, what it waits for, and whether it runs on request alone."""
    service = {
        "image": f"r.example/web@{digest('web')}",
        "deploy": {"replicas": "3"},
        "depends_on": {"db": {"condition": "service_healthy"}, "queue": {}},
        "profiles": ["debug"],
    }
    part = Part.read("web", service)
    assert part == Part(
        name="web",
        image=f"r.example/web@{digest('web')}",
        replicas=3,
        needs={"db": "service_healthy", "queue": ""},
        optional=True,
        ends=False,
    )
    assert part.digest == digest("web")


def test_a_service_that_says_nothing_is_one_container() -> None:
    """It waits for nothing, always runs, and has no image that could be told."""
    assert Part.read("web", {}) == Part("web", "", 1, {}, optional=False, ends=False)


@pytest.mark.parametrize(
    ("service", "replicas"),
    [
        ({"scale": 2}, 2),
        ({"scale": 2, "deploy": {"replicas": 0}}, 0),
        ({"deploy": None}, 1),
        ({"deploy": {"replicas": "${REPLICAS:-2}"}}, None),
    ],
)
def test_how_many_containers_there_are(service: dict[str, Any], replicas: int | None) -> None:
    """As `deploy` says, or else `scale`; nobody knows where a variable says so."""
    assert Part.read("web", service).replicas == replicas


@pytest.mark.parametrize(
    ("service", "ends"),
    [
        ({"restart": "no"}, True),
        ({"restart": "on-failure:3"}, True),
        ({"restart": "always"}, False),
        ({"restart": "${RESTART:-no}"}, False),
        ({"deploy": {"restart_policy": {"condition": "none"}}}, True),
        ({"deploy": {"restart_policy": {"condition": "any"}}}, False),
        ({"deploy": {"restart_policy": None}}, False),
    ],
)
def test_a_service_comes_to_an_end_where_its_restart_policy_says_so(
    service: dict[str, Any], ends: bool
) -> None:
    """In so many words: the default of Compose, not to restart, says nothing of the service."""
    assert Part.read("web", service).ends is ends


def test_only_a_name_by_digest_says_which_bytes_run() -> None:
    """A tag, a variable and half a digest say nothing."""
    assert digest_in(f"web:1@{digest('web')}") == digest("web")
    assert [digest_in(one) for one in ("web:1", "$WEB", "", "web@sha256:abc")] == [None] * 4
