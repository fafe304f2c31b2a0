"""Releases by the names that people give them."""

from __future__ import annotations

import re

from buildonce.app import App
from buildonce.errors import PreconditionError
from buildonce.ledger.records.release import Release
from buildonce.ledger.snapshot import Snapshot

_HEX = re.compile(r"[0-9a-f]+")


def required_release(snapshot: Snapshot, sha: str) -> Release:
    """Return a release's record.

    Raises:
        PreconditionError: there is none: the commit was not built.
    """
    release = snapshot.release(sha)
    if release is None:
        raise PreconditionError(
            f"{sha} was not built, or was pruned", hint=f"inv build --sha {sha}"
        )
    return release


def release_in_question(app: App, snapshot: Snapshot, environment: str, name: str | None) -> str:
    """Return the sha that a promotion without or with a name is about.

    Raises:
        PreconditionError: it is what the environment before runs, and that runs nothing.
    """
    before = app.project.environment(environment).after
    if name is not None or before is None:
        return sha_of(app, snapshot, name or "HEAD")
    sha = snapshot.environment(before).release
    if sha is None:
        raise PreconditionError(
            f"{environment} is promoted from {before}, which runs nothing yet",
            hint=f"inv promote {before}",
        )
    return sha


def sha_of(app: App, snapshot: Snapshot, name: str) -> str:
    """Return a commit's tag; one that was released needs not be in this clone."""
    sha = name[: app.project.sha_length]
    is_full = bool(_HEX.fullmatch(name)) and len(sha) == app.project.sha_length
    release = snapshot.release(sha) if is_full else None
    if release and release.revision.startswith(name):
        return sha
    return app.sha(app.commit(name))
