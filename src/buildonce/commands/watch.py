"""``inv status --watch``: what a command prints, again and again, in the same place."""

from __future__ import annotations

import time
from collections.abc import Callable

from buildonce.errors import BuildonceError, StoppedError, TerminatedError, UsageError
from buildonce.report.terminal import Reporter

INTERVAL = 5.0
"""Seconds between two looks: each of them asks the git remote and the registry."""


def watch(
    report: Reporter, draw: Callable[[], None], wait: Callable[[float], None] = time.sleep
) -> None:
    """Draw until interrupted. A look that fails is shown as such, and the next one follows.

    Raises:
        UsageError: the configuration is wrong, which no further look changes.
        TerminatedError: the process was told to end.
    """

    def look() -> None:
        try:
            draw()
        except UsageError:
            raise
        except BuildonceError as error:
            report.error(error)

    try:
        with report.in_place() as show:
            while True:
                show(look)
                wait(INTERVAL)
    except TerminatedError:
        raise
    except StoppedError:
        return
