"""Pins are written into the project's file, and nothing else in it changes."""

from __future__ import annotations

import pytest

from buildonce.config import with_bases
from buildonce.errors import UsageError

TOP = '# mine\n[tool.buildonce]\nregistry = "ghcr.io/acme"   # ours\n'
PIN = {"python:3": "python:3@sha256:aa"}


def test_a_file_without_pins_gets_a_table() -> None:
    """The table is added at the end; comments and order stay."""
    added = '\n[tool.buildonce.bases]\n"python:3" = "python:3@sha256:aa"\n'
    assert with_bases(TOP, PIN) == TOP + added


def test_a_pin_changes_on_its_line_and_others_are_added() -> None:
    """The digest is replaced, a comment beside it and the tables around it are not."""
    table = '\n[tool.buildonce.bases] # pins\n"python:3" = "python:3@sha256:00" # why\n'
    after = '\n[tool.buildonce.services.web]\ncontext = "web"\n'
    changed = with_bases(TOP + table + after, {**PIN, "node": "node@sha256:bb"})
    expected = table.replace("sha256:00", "sha256:aa") + '"node" = "node@sha256:bb"\n'
    assert changed == TOP + expected + after


def test_line_ends_stay_as_they_are() -> None:
    """A file of Windows stays one, and only the pin is another line."""
    text = TOP.replace("\n", "\r\n")
    assert with_bases(text, PIN) == with_bases(TOP, PIN).replace("\n", "\r\n")


@pytest.mark.parametrize("bases", ['bases = { "python:3" = "x" }', "bases.x = 'y'"])
def test_what_cannot_be_changed_by_lines_is_left(bases: str) -> None:
    """Pins that are written in another way end with 2 and the lines to write."""
    with pytest.raises(UsageError) as refused:
        with_bases(f"{TOP}{bases}\n", PIN)
    assert '"python:3" = "python:3@sha256:aa"' in refused.value.hint
