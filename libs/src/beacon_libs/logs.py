"""Logs for whoever runs the containers: one line an event, on stdout."""

import logging
import sys


def configure() -> None:
    """Send the log of the whole process to stdout."""
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
