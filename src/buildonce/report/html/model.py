"""What the page shows, as plain data; it knows no ledger, no registry and no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from buildonce.verify.evidence import Evidence


@dataclass(frozen=True)
class Deployment:
    """One promotion or rollback. ``commits`` are the times of the commits it shipped first."""

    environment: str
    sequence: int
    kind: str
    release: str
    previous: str
    actor: str
    reason: str
    message: str
    started_at: datetime
    took: timedelta | None
    outcome: str
    commits: tuple[datetime, ...] = ()

    @property
    def ended_at(self) -> datetime:
        """When it ended; an open one has not, and counts as of its start."""
        return self.started_at + (self.took or timedelta())


@dataclass(frozen=True)
class Environment:
    """What an environment runs. ``deployed_at`` is None where it runs nothing.

    ``state`` is how its latest promotion stands, in words, and ``locked`` says that it is open.
    ``digests`` are the release's, by service. ``last`` is one whose bytes reach users: nothing
    comes after it.
    """

    name: str
    state: str
    release: str = ""
    subject: str = ""
    author: str = ""
    deployed_at: datetime | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    last: bool = True
    locked: bool = False


@dataclass(frozen=True)
class Commit:
    """A commit that a promotion would ship or revert."""

    revision: str
    subject: str
    author: str
    at: datetime
    services: tuple[str, ...]
    direction: str = "ships"


@dataclass(frozen=True)
class Pending:
    """What the next promotion would bring; ``note`` says why nothing is known."""

    environment: str
    running: str = ""
    candidate: str = ""
    commits: tuple[Commit, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Size:
    """How large a service's image is in a release: its layers as the registry keeps them."""

    release: str
    built_at: datetime
    service: str
    size: int


@dataclass(frozen=True)
class Report:
    """The whole page. ``unverified`` says why there is no evidence."""

    title: str
    made_at: datetime
    environments: tuple[Environment, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    pending: tuple[Pending, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    unverified: str = ""
    sizes: tuple[Size, ...] = ()

    def of(self, environment: str) -> list[Deployment]:
        """Return an environment's deployments, the oldest first."""
        found = [one for one in self.deployments if one.environment == environment]
        return sorted(found, key=lambda one: one.sequence)

    def problems(self, environment: str, service: str) -> list[Evidence]:
        """Return the rows of evidence about a service in an environment that do not hold."""
        return [
            row
            for row in self.evidence
            if (row.environment, row.service) == (environment, service) and not row.holds
        ]
