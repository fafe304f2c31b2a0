"""One exception tree; every leaf carries the exit code that the command ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from typing_extensions import Self


class Told(BaseException):
    """What a person reads of an error, and the exit code that the command ends with.

    ``message`` says what failed and on which image or environment, ``hint`` is the command
    or the change to try next.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message

    def continued(self, message: str, *, hint: str = "") -> Self:
        """Return the error with more to say: what became of things, and what to do then."""
        self.message = f"{self.message}\n{message}"
        self.hint = "; then ".join(filter(None, (self.hint, hint)))
        return self


class BuildonceError(Told, Exception):
    """Something a person has to act on."""


class UsageError(BuildonceError):
    """The arguments or the configuration are wrong."""

    exit_code = 2


class PreconditionError(BuildonceError):
    """What the command builds on does not hold: not built, not yet in the environment before."""

    exit_code = 3


class BusyError(BuildonceError):
    """Another promotion holds the environment."""

    exit_code = 4


class IntegrityError(BuildonceError):
    """Bytes, or a record, are not what they have to be."""

    exit_code = 5


class UnavailableError(BuildonceError):
    """The registry, the remote or the engine did not answer, or refused, after retries."""

    exit_code = 6


class RemovalError(UnavailableError):
    """The registry removes nothing by its API."""


class RolledBackError(BuildonceError):
    """The deploy failed and the previous release is back."""

    exit_code = 7


class BrokenError(BuildonceError):
    """The deploy failed and the previous release is not back."""

    exit_code = 8


class DifferenceError(BuildonceError):
    """Verification found drift or a difference."""

    exit_code = 9


class StoppedError(Told):
    """The command was interrupted (SIGINT, as 128 + 2); what it began can be resumed.

    It is nobody's to handle on the way, so it is no ``Exception``.
    """

    exit_code = 130


class TerminatedError(StoppedError):
    """The command was told to end (SIGTERM, as 128 + 15); what it began can be resumed."""

    exit_code = 143
