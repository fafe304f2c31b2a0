"""One row of a verification."""

from __future__ import annotations

from dataclasses import dataclass

NOTHING = "nothing"
NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Evidence:
    """What was expected, where it was looked for, what was found.

    Where a row does not hold, a promotion of the same release repairs it, unless it is
    ``lasting`` or has a ``remedy`` of its own. A row that is not ``checked`` proves nothing
    either way: ``found`` says why, or what is worth knowing.
    """

    environment: str
    service: str
    check: str
    where: str
    expected: str
    found: str
    remedy: str = ""
    checked: bool = True
    lasting: bool = False

    @property
    def holds(self) -> bool:
        """Whether what was found is what was expected, as far as it was checked."""
        return not self.checked or self.expected == self.found

    @property
    def mark(self) -> str:
        """The row's outcome as one character."""
        if not self.checked:
            return "•"
        return "✓" if self.holds else "✗"


def unchecked(environment: str, service: str, check: str, where: str, why: str) -> Evidence:
    """Return the row of what cannot be told, or is only worth knowing."""
    return Evidence(environment, service, check, where, NOT_CHECKED, why, checked=False)
