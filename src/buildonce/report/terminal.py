"""What people, CI and other programs get to see."""

from __future__ import annotations

import io
import json
import os
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.live import Live
from rich.markup import escape as escaped
from rich.table import Table
from rich.text import Text

from buildonce.errors import ReportedError
from buildonce.plan.plans import Plan
from buildonce.plan.steps import Step
from buildonce.refs import short
from buildonce.report.grouping import grouped
from buildonce.report.sentences import describe_together, sentences
from buildonce.report.visible import uncoloured, visible
from buildonce.verify.evidence import Evidence

_WIDTH_FOR_FILES = 240
_WHOLE = ("release", "digest", "from", "to")
"""Columns that are copied from the screen."""

_BETWEEN = 2
"""Cells between two columns."""

_NARROWEST = 12
"""Cells that a column has which is cut."""

PATIENCE = 2.0
"""Seconds after which a step is announced where nothing can spin."""


class _Console(Console):
    """A console whose reader may go away: a promotion is finished all the same."""

    def on_broken_pipe(self) -> None:
        """Write to nowhere from now on."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())


class Reporter:
    """Results go to standard output, everything else to standard error.

    Colour and movement appear on a terminal only, and never where ``NO_COLOR`` is set
    (no-color.org).
    """

    def __init__(self) -> None:
        _never_fail_to_print(sys.stdout, sys.stderr)
        width = None if sys.stdout.isatty() else _WIDTH_FOR_FILES
        still = False if os.environ.get("NO_COLOR") else None
        self.out: Console = _Console(width=width, highlight=False, force_terminal=still)
        self.err: Console = _Console(
            stderr=True, width=width, highlight=False, force_terminal=still
        )
        self._status = self.err.status("")
        self._steps: list[str] = []
        self._lock = threading.Lock()

    @contextmanager
    def step(self, sentence: str) -> Iterator[None]:
        """Show a step for as long as it takes, then how long it took; several at a time."""
        began = time.monotonic()
        with self._shown(sentence):
            yield
        took = time.monotonic() - began
        self.err.print(f"[green]✓[/] {_text(sentence)}  [dim]{took:.1f} s[/]", soft_wrap=True)

    @contextmanager
    def _shown(self, sentence: str) -> Iterator[None]:
        if self.err.is_terminal:
            self._spin(self._steps.append, sentence)
            try:
                yield
            finally:
                self._spin(self._steps.remove, sentence)
            return
        announcement = threading.Timer(PATIENCE, self.note, [f"{sentence} …"])
        announcement.start()
        try:
            yield
        finally:
            announcement.cancel()

    def _spin(self, change: Callable[[str], None], sentence: str) -> None:
        with self._lock:
            change(sentence)
            self._status.update("; ".join(_text(step) for step in self._steps))
            if self._steps:
                self._status.start()
            else:
                self._status.stop()

    def doing(self, steps: Sequence[Step]) -> AbstractContextManager[None]:
        """Show a step of a plan, or several of a kind, for as long as it takes."""
        return self.step(describe_together(steps))

    def log(self, line: str) -> None:
        """Show a line of a tool's log."""
        self.err.print(f"[dim]  {escaped(uncoloured(line))}[/]", soft_wrap=True)

    def note(self, sentence: str) -> None:
        """Say something worth knowing."""
        self.err.print(f"[yellow]•[/] {_text(sentence)}", soft_wrap=True)

    def say(self, sentence: str) -> None:
        """Print a result."""
        self.out.print(_text(sentence), soft_wrap=True)

    def error(self, error: ReportedError) -> None:
        """Print what failed, and what to do next."""
        self.err.print(f"[red]✗[/] {_text(error.message)}", soft_wrap=True)
        if error.hint:
            self.err.print(f"  → {_text(error.hint)}", soft_wrap=True)

    def json(self, value: Any) -> None:
        """Print a value for other programs."""
        try:
            print(json.dumps(value, indent=2, ensure_ascii=False, default=str), flush=True)
        except BrokenPipeError:
            self.out.on_broken_pipe()

    def plan(self, plan: Plan, details: Sequence[str] = ()) -> None:
        """Print the steps of a dry run, and the exact commands behind them."""
        self.steps(plan, heading=f"dry run: {plan.summary}")
        self.say(textwrap.indent("\n".join(details), "     "))
        self.say("nothing was written")

    def steps(self, plan: Plan, *, heading: str = "") -> None:
        """Print the steps of a plan under its summary, or another heading."""
        self.say(heading or plan.summary)
        for number, sentence in enumerate(sentences(plan.steps), 1):
            self.say(f"  {number}. {sentence}")

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[str]], *, cut: str = ""
    ) -> None:
        """Print a table; the column ``cut`` has one line, as far as the others leave room."""
        cells = [[visible(cell) for cell in row] for row in rows]
        if cut in columns:
            _shorten(cells, columns, columns.index(cut), self.out.width)
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold", no_wrap=column in _WHOLE)
        for row in cells:
            table.add_row(*map(escaped, row))
        self.out.print(table)

    @contextmanager
    def in_place(self) -> Iterator[Callable[[Callable[[], None]], None]]:
        """Give a function that shows what another one prints, in the place of what it showed last.

        Where the output is no terminal, it is printed where it differs from the last.
        """
        with Live(console=self.out, auto_refresh=False, redirect_stdout=False) as live:
            shown = ""

            def show(draw: Callable[[], None]) -> None:
                nonlocal shown
                printed = self._printed_by(draw)
                if self.out.is_terminal:
                    live.update(Text.from_ansi(printed), refresh=True)
                elif printed != shown:
                    self.out.print(printed, end="", markup=False, soft_wrap=True)
                shown = printed

            yield show

    def _printed_by(self, draw: Callable[[], None]) -> str:
        with self.out.capture() as out, self.err.capture() as err:
            draw()
        return out.get() + err.get()

    def evidence(self, rows: Sequence[Evidence], *, details: bool = False) -> None:
        """Print evidence: what holds grouped, unless with details; the rest in full."""
        self.table(
            ["", "environment", "service", "check", "expected", "found"],
            [
                [row.mark, row.environment, row.service, row.check]
                + [_brief(row.expected, row.holds), _brief(row.found, row.holds)]
                for row in (rows if details else grouped(rows))
            ],
        )


def _shorten(
    rows: list[list[str]], columns: Sequence[str], cut: int, width: int
) -> None:  # fmt: skip
    """Cut the texts of a column off, so that the table is no wider than it may be."""
    others = [number for number in range(len(columns)) if number != cut]
    taken = sum(max(map(cell_len, [columns[one], *(row[one] for row in rows)])) for one in others)
    room = max(width - taken - _BETWEEN * len(others), _NARROWEST)
    for row in rows:
        if cell_len(row[cut]) > room:
            row[cut] = f"{set_cell_size(row[cut], room - 1)}…"


def _text(value: str) -> str:
    """Return a value as Rich's markup that shows it as it is."""
    return escaped(visible(value))


def _never_fail_to_print(*streams: TextIO) -> None:
    """Have a question mark for what a stream's encoding lacks, as Windows' lacks the ticks."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def evidence_json(rows: Sequence[Evidence]) -> dict[str, Any]:
    """Return rows of evidence for other programs."""
    return {
        "holds": all(row.holds for row in rows),
        "evidence": [{**row.__dict__, "holds": row.holds} for row in rows],
    }


def _brief(value: str, holds: bool) -> str:
    return short(value) if holds and value.startswith("sha256:") else value
