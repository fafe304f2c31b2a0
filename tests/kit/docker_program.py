"""A `docker` that answers some calls by itself, in place of an engine."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest


def docker_program(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    answers: Mapping[str, str],
    real: str = "",
    complaint: str = "ERROR: no answer",
) -> None:
    """Put a `docker` ahead of any other for this test; the folder's `calls` has its calls.

    Args:
        folder: where to put it; it may have other files.
        monkeypatch: restores the path.
        answers: what it prints for calls that have these words; the first of them counts.
        real: the program that gets all other calls; without one they fail, as `complaint` says.
        complaint: the last line of what such a call says.
    """
    cases = "".join(
        f"  *{shlex.quote(words)}*) printf '%s' {shlex.quote(text)}; exit 0 ;;\n"
        for words, text in answers.items()
    )
    fails = f"echo nonsense; printf '%s' {shlex.quote(complaint)} >&2; exit 3"
    other = f'exec {shlex.quote(real)} "$@"' if real else fails
    log = f'echo "$*" >>{shlex.quote(str(folder))}/calls'
    program = folder / "docker"
    program.write_text(f'#!/bin/sh\n{log}\ncase "$*" in\n{cases}esac\n{other}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
