"""What a promotion is planned from: one look at the ledger, the pointers and the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from buildonce.config import Environment
from buildonce.engines.base import Engine
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.records.release import Release
from buildonce.ledger.snapshot import Snapshot
from buildonce.plan.pointers import Pointers, moves
from buildonce.plan.steps import Copy
from buildonce.refs import ImageRef

Lineage = Literal["ahead", "behind", "apart", "unknown"]
"""Where a commit stands to another: a descendant, an ancestor, neither, or it cannot be told."""


@dataclass(frozen=True)
class Observation:
    """An environment as a command found it, and the release in question.

    ``settings`` are the environment's, from the configuration. ``previous`` is the release
    that it runs. ``engine`` is bound to ``release``, ``way_back`` to ``previous`` where that
    was deployed; both are None where only pointers move. ``in_sync`` says that the containers
    run ``release``. ``on_branches`` says that an allowed branch contains the commit; None:
    this clone cannot tell. ``lineage`` is where the commit stands to the one that runs.
    ``pointers`` are None where the environment has none, and on a way back during which the
    registry does not answer.
    ``release`` and ``previous`` have their images where the environment pulls them from;
    ``copies`` are those that have to be brought there.
    ``repository`` is the web address of this clone's remote, ``promoted_from`` that of the one
    which promoted the environment last; empty where it is not known.
    """

    settings: Environment
    snapshot: Snapshot
    record: EnvironmentRecord
    release: Release
    previous: Release | None
    pointers: Pointers | None
    copies: tuple[Copy, ...] = ()
    engine: Engine | None = None
    way_back: Engine | None = None
    in_sync: bool = True
    on_branches: bool | None = True
    lineage: Lineage = "ahead"
    repository: str = ""
    promoted_from: str = ""

    @property
    def name(self) -> str:
        """The environment's name."""
        return self.record.environment

    @property
    def is_current(self) -> bool:
        """Whether the release in question is what the environment runs by the ledger."""
        return self.record.release == self.release.sha

    @property
    def sources(self) -> dict[str, ImageRef]:
        """Where the release's images are now, by service."""
        elsewhere = {
            (copy.service, copy.digest): copy.source for copy in self.copies if not copy.there
        }
        return {
            name: elsewhere.get((name, image.digest), image.ref)
            for name, image in self.release.services.items()
        }

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to do: ledger, pointers and containers agree."""
        return (
            self.is_current
            and self.record.open is None
            and self.in_sync
            and not self.copies
            and not moves(self.name, self.release, self.previous, self.pointers)
        )
