"""One exception tree, and all exit codes: every leaf has the one that the command ends with."""

from __future__ import annotations

import errno
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from typing_extensions import Self

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT) if hasattr(errno, "EDQUOT") else (errno.ENOSPC,)
_NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)


class ReportedError(BaseException):
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


class BuildonceError(ReportedError, Exception):
    """Something a person has to act on."""


class UnexpectedError(BuildonceError):
    """An error in this program."""

    exit_code = 1

    @classmethod
    def of(cls, error: Exception) -> UnexpectedError:
        """Return what a person needs to report an exception that nobody expected."""
        trace = error.__traceback__
        while trace and trace.tb_next:
            trace = trace.tb_next
        file = Path(trace.tb_frame.f_code.co_filename).name if trace else "nowhere"
        line = trace.tb_lineno if trace else 0
        return cls(
            f"unexpected {type(error).__name__} at {file}:{line}: {error}",
            hint="this is an error in buildonce: please report it with this message",
        )


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


class DeployError(BuildonceError):
    """A release did not come up. ``log`` has the last lines of the container that failed.

    The message has no line of any log: it may be kept, the log is for the person who waits.
    """

    exit_code = 8

    def __init__(
        self, what: str, *, service: str = "", host: str = "", log: Sequence[str] = (),
        hint: str = "",
    ) -> None:  # fmt: skip
        where = " on ".join(filter(None, [service, host]))
        super().__init__(f"{where} {what}" if service else f"{host}: {what}", hint=hint)
        self.service = service
        self.host = host
        self.log = tuple(log)


class RolledBackError(BuildonceError):
    """The deploy failed and the previous release is back."""

    exit_code = 7


class BrokenError(BuildonceError):
    """The deploy failed and the previous release is not back."""

    exit_code = 8


class DifferenceError(BuildonceError):
    """Verification found drift or a difference."""

    exit_code = 9


class StoppedError(ReportedError):
    """The command was interrupted (SIGINT, as 128 + 2); what it began can be resumed.

    It is nobody's to handle on the way, so it is no ``Exception``.
    """

    exit_code = 130


class TerminatedError(StoppedError):
    """The command was told to end (SIGTERM, as 128 + 15); what it began can be resumed."""

    exit_code = 143


def refused_by_machine(error: OSError) -> UnavailableError:
    """Return the error for what the operating system refused, such as a full disk."""
    named = f" ({error.filename})" if error.filename else ""
    file = shlex.quote(str(error.filename or "."))
    hint = "inv doctor"
    if error.errno in _NO_SPACE:
        hint = f"df -h {file}   (free some space there, then run this command again)"
    elif error.errno in _NO_RIGHT:
        hint = f"ls -ld {file}   (who may write there; then run this command again)"
    return UnavailableError(f"the operating system refused: {error.strerror}{named}", hint=hint)
