"""What `inv verify` names as the next command, of rows that do not hold."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from buildonce.commands.verify import verify
from buildonce.errors import DifferenceError
from buildonce.report.terminal import Reporter
from buildonce.verify.evidence import Evidence
from tests.kit.samples import release, running, state

RELEASE = release(1)
REPAIR = f"inv promote staging --sha {RELEASE.sha}"
MOVED = (
    "use the checkout whose staging is shop by compose on host1, or move it: "
    "inv promote staging --redeploy"
)


def row(check: str, expected: str = "a", found: str = "b", **more: Any) -> Evidence:
    return Evidence("staging", "web", check, "somewhere", expected, found, **more)


@pytest.mark.parametrize(
    ("rows", "hint"),
    [
        ([row("pointer")], f"to repair it without a build: {REPAIR}"),
        ([row("container", remedy="docker rm x")], "docker rm x"),
        (
            [row("container", remedy="docker rm x"), row("pointer")],
            f"to repair it without a build: docker rm x; {REPAIR}",
        ),
        ([row("place", "shop by compose on host1"), row("count")], MOVED),
        (
            [row("platform, linux/arm64", lasting=True)],
            "find out who changed the registry; other releases to promote: inv history staging",
        ),
        (
            [row("same as production", lasting=True)],
            "if they are meant to differ: inv verify --each; who promoted it: inv history staging",
        ),
        (
            [row("containers"), row("pointer")],
            "inv doctor, and see that the engine named above answers",
        ),
    ],
    ids=["pointer", "stray", "both", "place", "lost", "differ", "silent"],
)
def test_a_difference_has_the_command_that_ends_it(rows: list[Evidence], hint: str) -> None:
    """A promotion is named where it repairs something, and never to a place by mistake."""
    there: Any = SimpleNamespace(
        project=mock.Mock(environments={"staging": None}),
        ledger=SimpleNamespace(read=lambda: state([RELEASE], running(RELEASE))),
        registry=None, targets=None, report=Reporter(),
    )  # fmt: skip
    with (
        mock.patch("buildonce.commands.verify.gather", return_value=rows),
        pytest.raises(DifferenceError) as differing,
    ):
        verify(there, ["staging"], each=True, as_json=False)
    assert differing.value.hint == hint
