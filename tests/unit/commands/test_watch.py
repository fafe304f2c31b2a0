"""`inv status --watch`: in place on a terminal, plain where there is none."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest
from rich.console import Console

from buildonce.commands.watch import watch
from buildonce.errors import StoppedError, UnavailableError, UsageError
from buildonce.report.terminal import Reporter

CURSOR_UP = "\x1b[1A"


class Screen(Reporter):
    """A reporter whose output is kept, with or without a terminal to show it."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.file = io.StringIO()
        self.out = self.err = Console(
            file=self.file, force_terminal=terminal, width=80, highlight=False
        )

    @property
    def text(self) -> str:
        return self.file.getvalue()


def looks(screen: Screen, *rounds: str | Exception) -> None:
    """Watch for as many rounds as there are; the last one ends with Ctrl-C."""
    remaining = iter(rounds)
    ends: Iterator[Callable[[], None]] = iter([*[lambda: None] * (len(rounds) - 1), stop])

    def draw() -> None:
        found = next(remaining)
        if isinstance(found, Exception):
            raise found
        screen.say(found)

    watch(screen, draw, lambda _: next(ends)())


def stop() -> None:
    raise StoppedError("interrupted")


def test_a_terminal_is_drawn_over() -> None:
    """Each look replaces the one before, and Ctrl-C ends it without an error."""
    screen = Screen(terminal=True)
    looks(screen, "staging runs 1\n2nd line", "staging runs 2\n2nd line")
    assert screen.text.index("runs 1") < screen.text.index(CURSOR_UP) < screen.text.index("runs 2")


def test_a_file_gets_what_changes() -> None:
    """Without a terminal there is no control sequence, and nothing is said twice."""
    screen = Screen(terminal=False)
    looks(screen, "staging runs 1", "staging runs 1", "staging runs 2")
    assert screen.text == "staging runs 1\nstaging runs 2\n"


def test_a_failed_look_is_shown_and_the_next_one_follows() -> None:
    """A registry that does not answer for a moment does not end the watch."""
    screen = Screen(terminal=False)
    looks(screen, UnavailableError("the registry did not answer"), "staging runs 1")
    assert screen.text == "✗ the registry did not answer\nstaging runs 1\n"


def test_a_wrong_configuration_ends_it() -> None:
    """What no further look can change is the command's error."""
    with pytest.raises(UsageError):
        looks(Screen(terminal=False), UsageError("the configuration is wrong"), "never")
