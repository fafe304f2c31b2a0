"""A docker client that answers from a table, and writes down how it is called."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ENGINE = "28.0.0"
"""What it says is the engine's version, until it is told something else."""


@dataclass
class DockerScript:
    """A `docker` that knows the answers to some calls; to all others it says nothing.

    A call is a pattern of the shell for what its line ends with. Of several that fit, the last
    one told is taken; of several answers to one call each is given once, and the last for ever.
    """

    folder: Path
    _cases: list[str] = field(default_factory=list)
    _named: dict[str, str] = field(default_factory=dict)

    @classmethod
    def on_path(cls, folder: Path, monkeypatch: pytest.MonkeyPatch) -> DockerScript:
        """Put the program into an empty folder, ahead of every other one."""
        monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
        script = cls(folder)
        script.answers("version *", ENGINE)
        return script

    def answers(self, call: str, *answers: object, after: str = "") -> None:
        """Say this to a call, text as it is and other things as JSON, and succeed.

        It comes to an end once the calls that ``after`` names were answered a second time.
        """
        texts = [one if isinstance(one, str) else json.dumps(one) for one in answers]
        self._case(call, "", texts, f"wait_for {self._named[after]}" if after else "")

    def refuses(self, call: str, *complaints: str, code: int = 1) -> None:
        """Fail, with this on standard error."""
        self._case(call, ">&2", list(complaints), f"exit {code}")

    def calls(self, words: str = "") -> list[str]:
        """The command lines so far that have these words in them."""
        log = self.folder / "calls"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if words in line]

    def given(self) -> str:
        """What the last call that got anything had on its standard input."""
        return (self.folder / "given").read_text()

    def _case(self, call: str, to: str, texts: list[str], end: str) -> None:
        name = self._named[call] = f"case{len(self._cases)}"
        for number, text in enumerate(texts, 1):
            (self.folder / f"{name}.{number}").write_text(text)
        pattern = "".join(one if one == "*" else shlex.quote(one) for one in call)
        self._cases.insert(0, f"*{pattern}) answer {name} {len(texts)} {to}; {end or 'exit 0'} ;;")
        self._write()

    def _write(self) -> None:
        program = self.folder / "docker"
        lines = [
            "#!/bin/sh",
            f"cd {shlex.quote(str(self.folder))}",
            'echo "$*" >>calls',
            "given=$(cat)",
            '[ -z "$given" ] || echo "$given" >given',
            "answer() {",
            '  times=$(($(cat "$1.times" 2>/dev/null || echo 0) + 1))',
            '  echo $times >"$1.times"',
            "  [ $times -le $2 ] || times=$2",
            '  cat "$1.$times"',
            "}",
            "wait_for() {",
            '  until [ "$(cat "$1.times")" -ge 2 ]; do sleep 0.02; done',
            "}",
            'case "$*" in',
            *self._cases,
            "esac",
        ]
        program.write_text("\n".join(lines) + "\n")
        program.chmod(0o755)
