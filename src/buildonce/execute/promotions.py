"""The steps of a promotion: hold the environment, move its pointers, write the outcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from buildonce.errors import BuildonceError, RemovalError, StoppedError
from buildonce.execute.ports import Images
from buildonce.ledger import events
from buildonce.ledger.records.environment import Operation
from buildonce.ledger.store import Ledger
from buildonce.parallel import run_by_key
from buildonce.plan.plans import put_back
from buildonce.plan.steps import (
    ClosePromotion,
    OpenPromotion,
    Point,
    Step,
    TakeOver,
    Unpoint,
    named,
)

NEIGHBOURS = 0.1
"""Steps that ask within so many seconds of a look at the ledger share what it saw."""


@dataclass(frozen=True)
class Holding:
    """The environment that we hold, and by which operation."""

    environment: str
    operation: Operation

    @property
    def title(self) -> str:
        """The promotion's name in sentences."""
        return named(self.environment, self.operation)


@dataclass
class Promotions:
    """Does a promotion's steps, each irreversible one only while the ledger names us holder."""

    ledger: Ledger
    images: Images
    now: Callable[[], datetime]
    holding: Holding | None = None
    _looked_at: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def open(self, step: OpenPromotion) -> None:
        """Write the intent."""
        with self._holding(step.environment, step.operation):
            self.ledger.append(lambda snapshot: events.opened(snapshot, step))

    def take_over(self, step: TakeOver) -> None:
        """Become the holder of an open promotion."""
        with self._holding(step.environment, step.operation.model_copy(update={"id": step.new_id})):
            self.ledger.append(lambda snapshot: events.taken_over(snapshot, step))

    def point(self, step: Point) -> None:
        """Move a tag."""
        self.check_held()
        self.images.point(step.tag, step.new)

    def unpoint(self, step: Unpoint) -> None:
        """Remove a pointer, where the registry can: it is a projection, the ledger is the truth."""
        self.check_held()
        with suppress(RemovalError):
            self.images.remove_tag(step.tag)

    def close(self, step: ClosePromotion, definition: str | None) -> None:
        """Write the outcome, and the definition that was deployed last, if any was."""
        at = self.now()
        self.ledger.append(lambda snapshot: events.closed(snapshot, step, at, definition))
        self.holding = None

    def is_ours(self, held: Holding) -> bool | None:
        """Tell whether the ledger still names us holder; None where it cannot be asked."""
        try:
            record = self.ledger.read().environment(held.environment)
        except BuildonceError:
            return None
        return record.operation is not None and record.operation.id == held.operation.id

    def steps_back(self, held: Holding, message: str, *, redeploy: bool) -> tuple[Step, ...]:
        """Return what puts an environment back as it was before the operation.

        Where nothing was ever deployed, there is nothing to deploy again.

        Raises:
            BuildonceError: the ledger or the registry cannot be read.
        """
        snapshot = self.ledger.read()
        operation = held.operation
        release = snapshot.release(operation.release)
        previous = snapshot.release(operation.previous) if operation.previous else None
        assert release is not None
        services = {**release.services, **(previous.services if previous else {})}
        refs = {name: image.tag(held.environment) for name, image in services.items()}
        pointers = run_by_key(self.images.digest, refs)
        redeploy = redeploy and snapshot.has_deployment(held.environment)
        return put_back(held.environment, operation, release, previous, pointers, redeploy, message)

    def record_broken(self, held: Holding, message: str) -> None:
        """Write down, if that is possible, that the environment could not be put back."""
        with suppress(BuildonceError):
            self.ledger.append(
                lambda snapshot: events.broke(snapshot, held.environment, held.operation, message)
            )

    def check_held(self) -> None:
        """See that the ledger still names us holder; steps at the same time share one look.

        Raises:
            BusyError, PreconditionError: it does not.
        """
        asked_at = time.monotonic()
        with self._lock:
            if self.holding is None or asked_at - self._looked_at < NEIGHBOURS:
                return
            looked_at = time.monotonic()
            record = self.ledger.read().environment(self.holding.environment)
            events.require_holder(record, self.holding.operation)
            self._looked_at = looked_at

    @contextmanager
    def _holding(self, environment: str, operation: Operation) -> Iterator[None]:
        """Hold an environment once this is written; interrupted, it may have been."""
        looked_at = time.monotonic()
        try:
            yield
        except StoppedError:
            self.holding = Holding(environment, operation)
            raise
        self.holding = Holding(environment, operation)
        self._looked_at = looked_at
