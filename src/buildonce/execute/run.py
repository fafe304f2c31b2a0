"""What a plan's walk has done so far: visible to every step, changed by none in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from buildonce.errors import BuildonceError, StoppedError
from buildonce.ledger.events import DeployedBy
from buildonce.ledger.records.promotion import Promotion
from buildonce.ledger.records.release import ImageRecord, Release
from buildonce.plan.steps import (
    ClosePromotion,
    Deploy,
    OpenPromotion,
    PreDeploy,
    Step,
    TakeOver,
)


@dataclass(frozen=True)
class Run:
    """One walk of a plan. Each step gets it and returns what it is afterwards.

    ``begun`` are the steps that were begun; an interrupted or failed one may have had any
    part of its effect. ``holding`` is the promotion by which we lock an environment,
    ``images`` what was built or reused, ``release`` what the ledger has of it,
    ``deployed_by`` what was deployed last. ``stayed`` are the steps whose tags could not be
    changed, which is no failure. ``failure`` ended the walk.
    """

    begun: tuple[Step, ...] = ()
    holding: Promotion | None = None
    images: Mapping[str, ImageRecord] = field(default_factory=dict)
    release: Release | None = None
    deployed_by: DeployedBy | None = None
    stayed: tuple[Step, ...] = ()
    failure: BuildonceError | StoppedError | None = None

    def beginning(self, steps: Sequence[Step]) -> Run:
        """Return the run in which these steps have begun: an intent locks from its beginning."""
        holding = self.holding
        for step in steps:
            if isinstance(step, OpenPromotion | TakeOver):
                holding = step.promotion
        return replace(self, begun=(*self.begun, *steps), holding=holding)

    @property
    def deployed(self) -> bool:
        """Whether containers may have been changed, by us or by who held the promotion before."""
        return any(isinstance(step, Deploy | TakeOver) for step in self.begun)

    @property
    def touched(self) -> bool:
        """Whether anything outside the ledger and the registry may have been changed."""
        return self.deployed or any(isinstance(step, PreDeploy) for step in self.begun)

    @property
    def closing(self) -> bool:
        """Whether the outcome was being written: the ledger may or may not have it."""
        return bool(self.begun) and isinstance(self.begun[-1], ClosePromotion)
