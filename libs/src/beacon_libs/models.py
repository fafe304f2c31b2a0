"""What Beacon watches and what it finds."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, RootModel

ID_LENGTH = 12


def now() -> datetime:
    """Return the present time in UTC."""
    return datetime.now(timezone.utc)


class NewTarget(BaseModel):
    """A request to watch a web address."""

    model_config = ConfigDict(extra="forbid")

    url: HttpUrl


class Target(BaseModel):
    """A watched web address. The id follows from the address: adding it again changes nothing."""

    model_config = ConfigDict(frozen=True)

    id: str
    url: str
    added_at: datetime

    @classmethod
    def of(cls, url: str) -> Target:
        """Make the target that watches `url` from now on."""
        return cls(id=hashlib.sha256(url.encode()).hexdigest()[:ID_LENGTH], url=url, added_at=now())


class Result(BaseModel):
    """What one probe of a target found: the answer's status code, or why there was none."""

    model_config = ConfigDict(frozen=True)

    target_id: str
    status: int | None = Field(default=None, description="HTTP status code of the answer")
    error: str | None = Field(default=None, description="why there was no answer")
    latency_ms: float = Field(description="milliseconds until the answer's head, or the failure")
    at: datetime = Field(default_factory=now)

    @property
    def up(self) -> bool:
        """Tell whether the target answered, and not with an error."""
        return self.status is not None and self.status < 400


class WatchedTarget(Target):
    """A target with its latest results, the newest first."""

    results: tuple[Result, ...] = ()


class Watched(RootModel[list[WatchedTarget]]):
    """Everything that is watched."""
