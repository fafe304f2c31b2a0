"""What an error of a later command is to `inv doctor`."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildonce.app import App
from buildonce.doctor.findings import Examination, Finding
from buildonce.errors import PreconditionError


@pytest.mark.parametrize(
    ("hint", "remedy"),
    [
        ("docker login", "docker login"),
        ("inv doctor", "correct it, then run inv doctor again"),
        ("", "correct it, then run inv doctor again"),
    ],
)
def test_an_error_is_a_problem(hint: str, remedy: str) -> None:
    """Its hint is the remedy, unless that is the command that is running."""

    def look(_: App) -> list[Finding]:
        raise PreconditionError("it is not there", hint=hint)

    found = Examination("the thing", "nothing works", look).run(App(Path("/nowhere"), {}))
    assert found == [Finding("the thing", "it is not there", "problem", "nothing works", remedy)]
