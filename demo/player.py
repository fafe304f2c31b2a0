"""Plays scenes: types each command, shows what matters of its output, and holds it to its word."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import urllib3
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from .scenes import Ask, Command, Edit, Scene, Show
from .scratch import Scratch

STYLES = {"✓": "green", "✗": "red", "•": "yellow", "-": "red", "+": "green"}
TAIL = 40
PATIENCE = 10.0


class UnexpectedError(Exception):
    """Something did not happen as told."""


@dataclass(frozen=True)
class Played:
    """One command that was run: how it ended, and in how many seconds."""

    line: str
    scene: str
    code: int
    seconds: float


@dataclass
class Player:
    """Plays scenes in a scratch clone, in an environment, for whoever watches the console."""

    scratch: Scratch
    environment: Mapping[str, str]
    console: Console
    played: list[Played] = field(default_factory=list)

    def play(self, scene: Scene) -> None:
        """Play one scene.

        Raises:
            UnexpectedError: it did not go as told.
        """
        self.console.print()
        self.console.rule(f"[bold]{escape(scene.title)}[/]", align="left", style="cyan")
        self.console.print(f"[italic]{escape(scene.telling)}[/]\n")
        for act in scene.acts:
            match act:
                case Command():
                    self._run(act, scene.title)
                case Edit():
                    self._edit(act)
                case Ask():
                    self._ask(act)
                case Show():
                    self.console.print(Padding(act.picture(), (0, 0, 1, 2), expand=False))

    def _run(self, command: Command, scene: str) -> None:
        self.console.print(f"[bold cyan]$[/] [bold]{escape(command.line)}[/]", soft_wrap=True)
        began = time.monotonic()
        code, lines = self._output(shlex.split(command.line))
        seconds = time.monotonic() - began
        self.played.append(Played(command.line, scene, code, seconds))
        if code != command.ends or command.says not in "\n".join(lines):
            self._show(lines[-TAIL:])
            told = f"exit {command.ends}" + (f" and {command.says!r}" if command.says else "")
            raise UnexpectedError(
                f"`{command.line}` ended with exit {code}; it should have been {told}"
            )
        self._show([line for line in lines if re.search(command.keep, line)])
        as_told = f"exit {code}, as it should be, " if code else ""
        self.console.print(f"  [dim]{as_told}{seconds:.1f} s[/]\n")

    def _output(self, argv: list[str]) -> tuple[int, list[str]]:
        lines: list[str] = []
        with subprocess.Popen(
            argv,
            cwd=self.scratch.clone,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        ) as process:
            assert process.stdout is not None
            with _ending(process), self.console.status("") as status:
                for line in process.stdout:
                    lines.append(line.rstrip())
                    status.update(Text(line.strip()[: self.console.width - 8], style="dim"))
        return process.returncode, lines

    def _edit(self, edit: Edit) -> None:
        self.scratch.edit(edit.path, edit.before, edit.after)
        self.console.print(f"[bold cyan]✎[/] [bold]{escape(edit.path)}[/]")
        self._show([f"- {edit.before}", f"+ {edit.after}"])
        self.console.print()

    def _ask(self, ask: Ask) -> None:
        answer = urllib3.request("GET", ask.url, timeout=PATIENCE, retries=False)
        said = answer.data.decode(errors="replace")
        self.console.print(f"[bold cyan]$[/] [bold]curl {escape(ask.url)}[/]", soft_wrap=True)
        if ask.says not in said:
            self._show(said.splitlines()[-TAIL:])
            raise UnexpectedError(f"{ask.url} should have said {ask.says!r}")
        self._show([line for line in said.splitlines() if re.search(ask.keep, line)])
        self.console.print()

    def _show(self, lines: list[str]) -> None:
        for line in lines:
            text = Text(f"  {line}")
            style = STYLES.get(line[:1])
            if style:
                text.stylize(style, 2, 3)
            self.console.print(text, soft_wrap=True)


@contextmanager
def _ending(process: subprocess.Popen[str]) -> Iterator[None]:
    """Take the process along where the demo itself is stopped."""
    try:
        yield
    except BaseException:
        process.terminate()
        raise
