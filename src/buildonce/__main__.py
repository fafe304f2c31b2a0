"""``buildonce init``: the one command for where no ``tasks.py`` is yet."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from buildonce.errors import BuildonceError, UsageError, refused_by_machine


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="buildonce", epilog="All other commands are Invoke's: inv --list"
    )
    parser.add_argument("command", nargs="?", help="init: propose tasks.py and [tool.buildonce]")
    parser.add_argument("--yes", action="store_true", help="write the files without asking")
    arguments, others = parser.parse_known_args()

    from buildonce.commands.init import init
    from buildonce.report.terminal import Reporter

    report = Reporter()
    try:
        _require_init(arguments.command, others)
        init(Path.cwd(), yes=arguments.yes, report=report)
    except (BuildonceError, OSError) as failure:
        error = refused_by_machine(failure) if isinstance(failure, OSError) else failure
        report.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def _require_init(command: str | None, others: list[str]) -> None:
    """See that the one command there is was asked for, and with its one option.

    Raises:
        UsageError: it was another, or had others.
    """
    if command != "init":
        asked = shlex.join(["inv", command, *others] if command else ["inv", "--list"])
        raise UsageError(
            "buildonce has one command, init; all others are Invoke's",
            hint=f"buildonce init, where no tasks.py is yet; else  {asked}",
        )
    if others:
        raise UsageError(
            f"init does not know {shlex.join(others)}",
            hint="buildonce init, or: buildonce init --yes",
        )


if __name__ == "__main__":
    sys.exit(main())
