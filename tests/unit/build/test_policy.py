"""Source policies: the rules that BuildKit gets, in the order that it applies them."""

from __future__ import annotations

from typing import Any

from buildonce.build import policy
from buildonce.build.pins import Pins
from buildonce.refs import ImageRef
from tests.kit.samples import digest

PYTHON = ImageRef.parse(f"mirror.example.org/python@{digest('python')}")


def rules(made: dict[str, object]) -> list[tuple[str, str, str | None]]:
    """Each rule as its action, what it is about and what is taken instead."""
    listed: Any = made["rules"]
    return [
        (
            rule["action"],
            rule["selector"]["identifier"].removeprefix("docker-image://"),
            rule.get("updates", {}).get("identifier", "").removeprefix("docker-image://") or None,
        )
        for rule in listed
    ]


def test_nothing_but_the_pins_is_allowed() -> None:
    """All is denied, each digest is allowed, and each name is converted to its digest."""
    names = Pins("python:3", {"python:3": PYTHON, "python": PYTHON})
    assert rules(policy.pinning([names, names])) == [
        ("DENY", "*", None),
        ("ALLOW", str(PYTHON), None),
        ("CONVERT", "docker.io/library/python:3", str(PYTHON)),
        ("CONVERT", "docker.io/library/python:latest", str(PYTHON)),
    ]


def test_a_local_build_takes_the_stand_ins() -> None:
    """Without a release nothing is denied; `bases` is in force all the same."""
    made = policy.replacing({"docker.io/node": "mirror.example.org/node"})
    assert rules(made) == [
        ("CONVERT", "docker.io/library/node:latest", "mirror.example.org/node:latest")
    ]
