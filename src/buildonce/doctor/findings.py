"""What an examination returns: each thing that was looked at, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Literal

from buildonce.app import App
from buildonce.errors import BuildonceError

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    ``cost`` is what it costs to leave it so, ``remedy`` what repairs it; both are empty where
    ``level`` is ``ok``. A ``problem`` makes a command fail; a ``warning`` costs something else.
    """

    subject: str
    found: str
    level: Level = "ok"
    cost: str = ""
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return it for other programs."""
        return asdict(self)


@dataclass(frozen=True)
class Examination:
    """One look at the world.

    ``subject`` and ``cost`` are those of the problem that an error in ``look`` stands for.
    """

    subject: str
    cost: str
    look: Callable[[App], Iterable[Finding]]

    def run(self, app: App) -> list[Finding]:
        """Return what is found; an error is a finding as well."""
        try:
            return list(self.look(app))
        except BuildonceError as error:
            return [of_error(self.subject, error, self.cost)]


def of_error(subject: str, error: BuildonceError, cost: str) -> Finding:
    """Return the problem that an error of a later command would be."""
    hint = "" if error.hint == "inv doctor" else error.hint
    remedy = hint or "correct it, then run inv doctor again"
    return Finding(subject, error.message, "problem", cost, remedy)
