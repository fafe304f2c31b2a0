"""``buildonce init``: the one command for where no ``tasks.py`` is yet."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from buildonce.errors import BuildonceError


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="buildonce")
    commands = parser.add_subparsers(dest="command", required=True)
    init = commands.add_parser("init", help="propose tasks.py and [tool.buildonce]")
    init.add_argument("--yes", action="store_true", help="write the files without asking")
    arguments = parser.parse_args()

    from buildonce.commands.init import init as run
    from buildonce.report.terminal import Reporter

    report = Reporter()
    try:
        run(Path.cwd(), yes=arguments.yes, report=report)
    except BuildonceError as error:
        report.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
