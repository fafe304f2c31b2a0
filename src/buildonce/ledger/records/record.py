"""What the ledger's files have in common: frozen, strict, and JSON that git can diff."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from buildonce.errors import IntegrityError, UsageError
from buildonce.refs import Digest, Repository, is_revision, parse_digest


def _digest(text: str) -> Digest:
    try:
        return parse_digest(text)
    except UsageError as error:
        raise ValueError(error.message) from None


def _revision(text: str) -> str:
    if not is_revision(text):
        raise ValueError("is not a full commit id")
    return text


def _repository(text: str) -> str:
    try:
        return str(Repository.parse(text))
    except UsageError as error:
        raise ValueError(error.message) from None


def _utc(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError("has no time zone")
    return time.astimezone(timezone.utc)


DigestField = Annotated[Digest, AfterValidator(_digest)]
RevisionField = Annotated[str, AfterValidator(_revision)]
RepositoryField = Annotated[str, AfterValidator(_repository)]
Time = Annotated[datetime, AfterValidator(_utc)]


class Record(BaseModel):
    """One file of the ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> str:
        """Return the record as JSON, one field a line, with a newline at the end."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


AnyRecord = TypeVar("AnyRecord", bound=Record)


def parse_record(model: type[AnyRecord], content: bytes, path: str) -> AnyRecord:
    """Read a file of the ledger.

    Raises:
        IntegrityError: it is not such a record; the message names the file and each field.
    """
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        problems = "; ".join(_explain(problem) for problem in error.errors())
        raise IntegrityError(f"the ledger's {path} is not a valid record: {problems}") from None


def _explain(problem: Any) -> str:
    field = ".".join(str(part) for part in problem["loc"])
    message = problem["msg"].removeprefix("Value error, ")
    return f"{field}: {message}" if field else str(message)
