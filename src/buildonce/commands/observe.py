"""What commands look at before they plan: releases by name, pointers, what runs."""

from __future__ import annotations

import re
import uuid

from buildonce.app import App
from buildonce.errors import PreconditionError
from buildonce.ledger.records.release import Release
from buildonce.ledger.snapshot import Snapshot
from buildonce.parallel import run_by_key
from buildonce.plan.plans import POINTERS_ONLY, Digests, Hosting

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


def pointers_of(
    app: App, environment: str, release: Release, previous: Release | None = None
) -> Digests:
    """Return what an environment's pointers name now, for the services of the releases."""
    services = {**release.services, **(previous.services if previous else {})}
    refs = {name: image.tag(environment) for name, image in services.items()}
    return run_by_key(app.registry.digest, refs)


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
            f"{environment} gets what {before} runs, and {before} runs nothing yet",
            hint=f"inv promote {before}",
        )
    return sha


def hosting_of(app: App, environment: str, release: Release) -> Hosting:
    """Return how an environment runs releases, and whether it runs this one now."""
    if not app.hosts.deploys(environment):
        return POINTERS_ONLY
    found = app.hosts.running(environment, release)
    return Hosting(
        deploys=True,
        before=app.hosts.settings(environment).before is not None,
        in_step=not any(one.problem for one in found if not one.stray),
    )


def new_operation_id() -> str:
    """Return a name for an operation's holder that nobody else has."""
    return uuid.uuid4().hex


def sha_of(app: App, snapshot: Snapshot, name: str) -> str:
    """Return a commit's tag; one that was released needs not be in this clone."""
    sha = name[: app.project.sha_length]
    is_full = bool(_HEX.fullmatch(name)) and len(sha) == app.project.sha_length
    release = snapshot.release(sha) if is_full else None
    if release and release.revision.startswith(name):
        return sha
    return app.sha(app.commit(name))
