"""The lock of an environment while its containers change."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from buildonce.errors import BusyError, PreconditionError, UnavailableError

INTERVAL = 10.0
"""Seconds between two looks at the ledger."""


@dataclass
class Lock:
    """Looks now and then whether an environment still is ours; ``require`` asks the ledger."""

    environment: str
    require: Callable[[], None]

    def __post_init__(self) -> None:
        self._looked = time.monotonic()

    def look(self) -> None:
        """Look, if it is time to.

        A ledger that does not answer is no reason to stop in the middle: the next look tells.

        Raises:
            BusyError, PreconditionError: it is not ours any more.
        """
        if time.monotonic() - self._looked < INTERVAL:
            return
        self._looked = time.monotonic()
        try:
            self.require()
        except UnavailableError:
            return
        except (BusyError, PreconditionError) as lost:
            raise lost.continued(
                f"until then, containers of {self.environment} may have been changed",
                hint=f"inv verify --env {self.environment}",
            ) from None
