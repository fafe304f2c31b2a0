"""Steps that take releases, and environments, out of use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from buildonce.config import Prune
from buildonce.errors import RemovalError
from buildonce.execute.ports import Images
from buildonce.execute.run import Run
from buildonce.git.repository import Git
from buildonce.ledger import releases
from buildonce.ledger.snapshot import Snapshot
from buildonce.ledger.store import Ledger
from buildonce.parallel import run_all, run_by_key
from buildonce.plan.retention import decide
from buildonce.plan.steps import ForgetReleases, PruneReleases, RemoveTag, RetireEnvironment


@dataclass(frozen=True)
class Prunings:
    """Removes releases that are no longer needed, as the ledger has it at that very moment."""

    policy: Prune
    git: Git
    ledger: Ledger
    images: Images
    now: Callable[[], datetime]

    def prune(self, step: PruneReleases, run: Run) -> Run:
        """Take releases out of use, where the registry can remove their tags afterwards."""
        run_all(self.images.require_removal, step.repositories)
        actor, at = self.git.identity(), self.now()

        def still_removable(snapshot: Snapshot) -> list[str]:
            decisions = decide(snapshot, self.policy, at)
            removable = {decision.sha for decision in decisions if decision.goes}
            return [sha for sha in step.shas if sha in removable]

        self.ledger.append(lambda snapshot: releases.pruned(snapshot, still_removable, actor))
        return run

    def remove_tag(self, step: RemoveTag, run: Run) -> Run:
        """Remove a pruned release's tag, unless the release was rebuilt meanwhile."""
        if self.ledger.read().pruned(step.sha) is not None:
            self.images.remove_tag(step.tag)
        return run

    def forget(self, step: ForgetReleases, run: Run) -> Run:
        """Write down that tags are gone, of those releases whose tags are.

        Raises:
            RemovalError: others have some left.
        """
        snapshot = self.ledger.read()
        wanted = {sha: tags for sha, tags in step.tags.items() if snapshot.pruned(sha)}
        listed = {tag: tag for tags in wanted.values() for tag in tags}
        there = {tag for tag, digest in run_by_key(self.images.digest, listed).items() if digest}
        gone = [sha for sha, tags in wanted.items() if not there & set(tags)]
        actor = self.git.identity()
        self.ledger.append(lambda snapshot: releases.forgotten(snapshot, gone, actor))
        if there:
            raise RemovalError(
                f"still in the registry: {', '.join(map(str, sorted(there, key=str)))}",
                hint="see that its account may delete; then inv prune tries again, and inv status "
                "names what is left",
            )
        return run

    def retire(self, step: RetireEnvironment, run: Run) -> Run:
        """Write down that an environment is no more."""
        actor = self.git.identity()
        self.ledger.append(
            lambda snapshot: releases.retired(snapshot, step.environment, step.reason, actor)
        )
        return run
