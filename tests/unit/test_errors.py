"""The exception tree: a stable exit code for each kind of failure."""

from __future__ import annotations

import errno

import pytest

from buildonce import errors

CODES = {
    "UnexpectedError": 1,
    "UsageError": 2,
    "PreconditionError": 3,
    "BusyError": 4,
    "IntegrityError": 5,
    "UnavailableError": 6,
    "RemovalError": 6,
    "DeployError": 8,
    "RolledBackError": 7,
    "BrokenError": 8,
    "DifferenceError": 9,
    "StoppedError": 130,
    "TerminatedError": 143,
}


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_exit_codes_are_a_promise(name: str, code: int) -> None:
    """Scripts rely on them: each kind keeps its number."""
    kind = getattr(errors, name)
    assert issubclass(kind, BaseException)
    assert kind.exit_code == code


def test_every_kind_is_in_the_list() -> None:
    """No error of the tree goes without a promised exit code."""
    classes = {name: one for name, one in vars(errors).items() if isinstance(one, type)}
    kinds = {name for name, one in classes.items() if issubclass(one, BaseException)}
    assert kinds - {"BuildonceError", "ReportedError"} == set(CODES)


@pytest.mark.parametrize(
    ("service", "host", "message"),
    [
        ("web", "host1", "web on host1 is unhealthy"),
        ("web", "", "web is unhealthy"),
        ("", "host1", "host1: is unhealthy"),
    ],
)
def test_a_failed_deploy_names_what_is_known_of_the_place(
    service: str, host: str, message: str
) -> None:
    """A service that no task stands for has no host in the message."""
    assert errors.DeployError("is unhealthy", service=service, host=host).message == message


@pytest.mark.parametrize(
    ("number", "file", "hint"),
    [
        (errno.ENOSPC, "/var/a b", "df -h '/var/a b'"),
        (errno.EACCES, "/var/x", "ls -ld /var/x"),
        (errno.ENOSPC, None, "df -h ."),
        (errno.EIO, "/var/x", "inv doctor"),
    ],
)
def test_what_the_machine_refuses_has_a_command_that_shows_why(
    number: int, file: str | None, hint: str
) -> None:
    """A full disk and a missing right are looked at by other means than a broken one."""
    error = errors.refused_by_machine(OSError(number, "No", file))
    assert error.hint.startswith(hint)
    assert error.message == "the operating system refused: No" + (f" ({file})" if file else "")
