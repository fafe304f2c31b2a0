"""A figure, and what it should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TIMES, SECONDS, MEGABYTES = "times", "s", "MB"


@dataclass(frozen=True)
class Target:
    """A figure, and what it should be: at least or at most `limit`."""

    name: str
    unit: str
    figure: float
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether it is what it should be."""
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit


@dataclass(frozen=True)
class Played:
    """What a part of the bench has measured: what each figure is called, and the targets."""

    titles: Mapping[str, str]
    targets: list[Target]
