"""What a git remote's address and its refusals mean."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from buildonce.errors import UnavailableError

_PATH = r"(?P<path>[^@]+?)(?:\.git)?/?"
_ADDRESSES = (
    re.compile(rf"https?://(?:[^/]*@)?(?P<host>[\w.-]+(?::\d+)?)/{_PATH}"),
    re.compile(rf"ssh://git@(?P<host>[\w.-]+)(?::\d+)?/{_PATH}"),
    re.compile(rf"git@(?P<host>[\w.-]+):{_PATH}"),
)


def web_address(url: str) -> str | None:
    """Return where people find a remote's repository, without user and password.

    None where it cannot be told: a local path, or an address that may hide a password.
    """
    matches = filter(None, (address.fullmatch(url) for address in _ADDRESSES))
    return next((f"https://{match['host']}/{match['path']}" for match in matches), None)


def same_repository(one: str, other: str) -> bool:
    """Tell whether two web addresses have the same path: a fork's owner is another.

    Hosts are not compared: an alias of ssh, or a mirror, has a name of its own.
    """
    return urlsplit(one).path.lower() == urlsplit(other).path.lower()


_REFUSALS = re.compile(
    r"permission denied|access denied|authentication failed|could not read (username|password)"
    r"|host key verification failed|not found|does not appear to be a git repository"
    r"|does not exist|error: 40[13]",
    re.IGNORECASE,
)


def may_pass(complaint: str) -> bool:
    """Tell whether what git complained of may be gone in a moment: no refusal, nothing missing."""
    return not _REFUSALS.search(complaint)


def unreachable(remote: str, complaint: str) -> UnavailableError:
    """Return the error for a remote that did not answer or refused."""
    return UnavailableError(
        f"the git remote {remote!r} refused or did not answer: {complaint}",
        hint=f"git ls-remote {remote}",
    )


def unwritable(remote: str, branch: str, complaint: str) -> UnavailableError:
    """Return the error for a remote that can be read and rejected a push."""
    return UnavailableError(
        f"the git remote {remote!r} rejected a push to {branch}: {complaint}",
        hint=f"the right to push to {branch} is missing, or branch protection refuses it: "
        "give that right to whoever runs this",
    )
