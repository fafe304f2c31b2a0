"""The container's health check: `python -m beacon_worker.health`.

It runs every few seconds, so it imports nothing but the standard library.
"""

import sys

from beacon_worker.heartbeat import HEARTBEAT, seconds_overdue


def main() -> None:
    """Exit 0 where the worker completes its rounds, else 1 with the reason."""
    try:
        overdue = seconds_overdue()
    except FileNotFoundError:
        sys.exit(f"unhealthy: the worker has not completed a round yet: no {HEARTBEAT}")
    if overdue > 0:
        sys.exit(f"unhealthy: the worker's next round is overdue by {overdue:.0f} s")


if __name__ == "__main__":
    main()
