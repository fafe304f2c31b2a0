"""The steps of a promotion: lock the environment, deploy, move pointers, write the outcome."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from buildonce.errors import (
    BuildonceError,
    DeployError,
    DifferenceError,
    RemovalError,
    UnavailableError,
)
from buildonce.execute.lock import INTERVAL, Lock
from buildonce.execute.ports import Images, Progress
from buildonce.execute.run import Run
from buildonce.ledger import events
from buildonce.ledger.events import DeployedBy
from buildonce.ledger.records.promotion import Promotion
from buildonce.ledger.store import Ledger
from buildonce.parallel import run_by_key
from buildonce.plan.plans import WayBack
from buildonce.plan.pointers import Pointers, pointers_wait, references
from buildonce.plan.steps import (
    ClosePromotion,
    Confirm,
    Deploy,
    LookAgain,
    OpenPromotion,
    Point,
    PreDeploy,
    Prepare,
    Step,
    TakeOver,
    Unpoint,
)
from buildonce.refs import short
from buildonce.verify.deployed import record_of

NOTICED = INTERVAL + 2
"""Seconds until who lost the lock has looked at it, and ended what it had started."""


@dataclass(frozen=True)
class Promotions:
    """Does a promotion's steps. ``actor`` names who runs this, ``now`` gives the time.

    ``announce`` is told how a promotion ended, once the ledger has it; it never fails.
    """

    ledger: Ledger
    images: Images
    progress: Progress
    actor: Callable[[], str]
    now: Callable[[], datetime]
    announce: Callable[[Promotion], None]

    def prepare(self, step: Prepare, run: Run) -> Run:
        """Pull the release's images."""
        step.engine.pull()
        return run

    def open(self, step: OpenPromotion, run: Run) -> Run:
        """Write the intent."""
        self.ledger.append(lambda snapshot: events.opened(snapshot, step.promotion))
        return run

    def take_over(self, step: TakeOver, run: Run) -> Run:
        """Become the holder of an open promotion."""
        self.ledger.append(
            lambda snapshot: events.taken_over(snapshot, step.former, step.promotion)
        )
        return run

    def pre_deploy(self, step: PreDeploy, run: Run) -> Run:
        """Run the one-off command."""
        step.engine.run_once(step.service, step.command, self.progress.note)
        return run

    def deploy(self, step: Deploy, run: Run) -> Run:
        """Change the containers, and wait until they are healthy.

        Raises:
            BusyError, PreconditionError: somebody else ended the promotion, or took it over.
        """
        promotion = run.holding
        assert promotion is not None
        lock = Lock(promotion.environment, lambda: self.require_lock(promotion))
        step.engine.deploy(self.progress.note, lock.look)
        return run

    def confirm(self, step: Confirm, run: Run) -> Run:
        """See that every container of the release runs its bytes, and keep how it was deployed.

        Containers of others are pointed out.

        Raises:
            DeployError: naming the first that does not, or of which it cannot be told.
        """
        engine = step.engine
        running = engine.running()
        for container in running:
            name = f"({container.container}) {container.problem}"
            if container.stray:
                self.progress.note(f"{container.service} on {container.host} {name}")
            elif container.problem:
                raise DeployError(
                    name, service=container.service, host=container.host,
                    hint=f"inv verify --env {engine.deployment.target.name}",
                )  # fmt: skip
        deployed_by = DeployedBy(
            engine.render(), engine.bundle, record_of(engine, running, secrets.token_hex(16))
        )
        return replace(run, deployed_by=deployed_by)

    def look_again(self, step: LookAgain, run: Run) -> Run:
        """See that nobody who lost the lock has changed containers since.

        Raises:
            DifferenceError: naming the first container that is not as it was put back.
        """
        environment = step.engine.deployment.target.name
        time.sleep(NOTICED)
        for container in step.engine.running():
            if container.problem and not container.stray:
                raise DifferenceError(
                    f"{environment} was restored, and then {container.service} on "
                    f"{container.host} was changed ({container.container}): {container.problem}",
                    hint=f"inv verify --env {environment}",
                )
        return run

    def point(self, step: Point, run: Run) -> Run:
        """Move a pointer."""
        self.images.point(step.tag, step.new)
        return run

    def unpoint(self, step: Unpoint, run: Run) -> Run:
        """Remove a pointer.

        Raises:
            RemovalError: the registry does not remove it, or does not let us.
        """
        self.images.remove_tag(step.tag)
        if (still := self.images.settled(step.tag, None)) is not None:
            raise RemovalError(
                f"the registry said that it was, and it names {short(still)}",
                hint="see the registry's own settings for deleting",
            )
        return run

    def close(self, step: ClosePromotion, run: Run) -> Run:
        """Write the outcome, and what was deployed last, if anything was."""
        at, by = self.now(), self.actor()
        self.ledger.append(
            lambda snapshot: events.closed(
                snapshot, step.promotion, step.outcome, at, by, step.message, run.deployed_by
            )
        )
        ended = {"outcome": step.outcome, "finished_at": at, "ended_by": by}
        self.announce(step.promotion.model_copy(update={**ended, "message": step.message}))
        return replace(run, holding=None)

    def require_lock(self, promotion: Promotion) -> None:
        """See that the ledger still names us holder.

        Raises:
            BusyError, PreconditionError: it does not.
        """
        events.require_holder(self.ledger.read().environment(promotion.environment), promotion)

    def is_ours(self, promotion: Promotion) -> bool | None:
        """Tell whether the ledger still names us holder; None where it cannot be asked."""
        try:
            record = self.ledger.read().environment(promotion.environment)
        except BuildonceError:
            return None
        return record.open is not None and record.open.id == promotion.id

    def steps_back(self, way_back: WayBack, promotion: Promotion, run: Run) -> tuple[Step, ...]:
        """Return what puts an environment back after ``run`` failed.

        Raises:
            UnavailableError: the registry does not answer, and only pointers were to go back.
        """
        pointers = self._pointers(way_back, promotion)
        message = str(run.failure)
        return way_back.steps(promotion, pointers, redeploy=run.deployed, message=message)

    def _pointers(self, way_back: WayBack, promotion: Promotion) -> Pointers | None:
        if not way_back.points:
            return None
        refs = references(promotion.environment, way_back.previous, way_back.release)
        try:
            return run_by_key(self.images.digest, refs)
        except UnavailableError as error:
            if not way_back.deploys:
                raise
            self.progress.note(pointers_wait(promotion.environment, promotion.previous, error))
            return None

    def record_broken(self, promotion: Promotion, message: str) -> None:
        """Write down, if that is possible, that the environment could not be put back."""
        with suppress(BuildonceError):
            self.ledger.append(lambda snapshot: events.broke(snapshot, promotion, message))
        broken = {"outcome": "broken", "message": message}
        self.announce(promotion.model_copy(update=broken))
