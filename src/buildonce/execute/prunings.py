"""The steps of a pruning: releases leave the ledger first, then the registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from buildonce.config import Prune
from buildonce.execute.ports import Images
from buildonce.git.repository import Git
from buildonce.ledger import events
from buildonce.ledger.snapshot import Snapshot
from buildonce.ledger.store import Ledger
from buildonce.parallel import run_all
from buildonce.plan.retention import fates
from buildonce.plan.steps import (
    ForgetReleases,
    PruneReleases,
    RemoveTag,
)


@dataclass
class Prunings:
    """Removes releases that nothing needs, as the ledger has it at that very moment."""

    policy: Prune
    git: Git
    ledger: Ledger
    images: Images
    now: Callable[[], datetime]

    def prune(self, step: PruneReleases) -> None:
        """Take releases out of use, where the registry can remove their tags afterwards."""
        run_all(self.images.require_removal, step.repositories)
        actor, at = self.git.identity(), self.now()

        def still_removable(snapshot: Snapshot) -> list[str]:
            removable = {fate.sha for fate in fates(snapshot, self.policy, at) if fate.goes}
            return [sha for sha in step.shas if sha in removable]

        self.ledger.append(lambda snapshot: events.pruned(snapshot, still_removable, actor))

    def remove_tag(self, step: RemoveTag) -> None:
        """Remove a pruned release's tag, unless the release was built anew meanwhile."""
        if self.ledger.read().pruned(step.sha) is not None:
            self.images.remove_tag(step.tag)

    def forget(self, step: ForgetReleases) -> None:
        """Write down that the tags are gone."""
        actor = self.git.identity()
        self.ledger.append(lambda snapshot: events.forgotten(snapshot, step.shas, actor))
