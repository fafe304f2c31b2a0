"""``inv changes``: what a promotion would ship, or revert."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from buildonce import ci
from buildonce.app import App
from buildonce.build.inputs import is_within
from buildonce.commands.releases import release_in_question, required_release
from buildonce.errors import PreconditionError, UsageError
from buildonce.git.repository import Commit
from buildonce.ledger.records.release import Release
from buildonce.ledger.snapshot import Snapshot
from buildonce.parallel import run_by_key
from buildonce.plan.building import listed
from buildonce.refs import ImageRef
from buildonce.report import markdown

FORMS = ("table", "json", "markdown")

_IDENTICAL = "identical"
_SHOWN = 20
"""Up to how many services each has a row, also those whose bytes stay."""


@dataclass(frozen=True)
class Change:
    """One commit that a promotion ships or reverts, and the services it touches."""

    commit: Commit
    direction: str
    services: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """What a promotion would change: commits, the newest first, and the bytes of each service.

    ``bytes`` is empty where the candidate was not built yet.
    """

    environment: str
    running: str
    candidate: str
    changes: tuple[Change, ...]
    bytes: Mapping[str, str]


def changes(app: App, environment: str, name: str | None, *, form: str = "table") -> None:
    """Show the commits between what an environment runs and what would be promoted.

    ``form`` is ``table``, ``json`` or ``markdown``; the latter goes into a run's summary, too.

    Raises:
        UsageError: it is none of these.
    """
    app.project.environment(environment)
    if form not in FORMS:
        raise UsageError(f"--format {form}: must be one of {', '.join(FORMS)}")
    found = difference(app, app.ledger.read(), environment, name)
    if found is None:
        _say(app, form, f"{environment} runs nothing yet: everything is new")
    elif form == "json":
        app.report.json(_for_machines(found))
    elif form == "markdown":
        _say(app, form, _markdown(found))
    else:
        _print(app, found)


def difference(
    app: App, snapshot: Snapshot, environment: str, name: str | None = None
) -> Difference | None:
    """Return what a promotion would change; None where the environment runs nothing.

    Raises:
        PreconditionError: there is nothing to promote, or the commits are not in this clone.
    """
    record = snapshot.environment(environment)
    if record.release is None:
        return None
    sha = release_in_question(app, snapshot, environment, name)
    running = required_release(snapshot, record.release).only(record.services)
    services = app.project.environment(environment).services or tuple(app.project.services)
    release = snapshot.release(sha)
    release = release and release.only(services)
    revision = release.revision if release else app.commit(sha).revision
    found = _between(app, running.revision, revision, "ships", services)
    found += _between(app, revision, running.revision, "reverts", services)
    bytes_of = _bytes(app, running, release) if release else {}
    return Difference(environment, running.sha, sha, tuple(found), bytes_of)


def _between(app: App, old: str, new: str, direction: str, services: Sequence[str]) -> list[Change]:
    try:
        commits = app.git.commits(old, new)
    except PreconditionError as error:
        raise PreconditionError(
            f"the commits between {old[:12]} and {new[:12]} are not in this clone",
            hint=error.hint,
        ) from None
    touched = app.git.touched([commit.revision for commit in commits])
    inputs = {
        service: table.inputs or (table.context,)
        for service in services
        if service in app.project.built
        for table in [app.project.service(service)]
    }
    return [
        Change(
            commit,
            direction,
            tuple(
                service
                for service, folders in inputs.items()
                if any(is_within(path, one) for path in touched[commit.revision] for one in folders)
            ),
        )
        for commit in commits
    ]


def _bytes(app: App, running: Release, release: Release) -> dict[str, str]:
    """Return for each service whether its bytes change: all, the labels alone, or none."""
    services = {**running.services, **release.services}
    return run_by_key(
        lambda service: _difference(app, running, release, service),
        {service: service for service in services},
    )


def _difference(app: App, running: Release, release: Release, service: str) -> str:
    if service not in running.services:
        return "new"
    if service not in release.services:
        return "removed"
    old, new = running.services[service], release.services[service]
    if old.digest == new.digest:
        return f"{_IDENTICAL}, built from {release.revision_of(service)[: len(release.sha)]}"
    layers = _layers(app, old.ref), _layers(app, new.ref)
    return "labels only" if layers[0] is not None and layers[0] == layers[1] else "changed"


def _layers(app: App, ref: ImageRef) -> tuple[str, ...] | None:
    manifest = app.registry.manifest(ref)
    return manifest.layers if manifest and manifest.is_plain else None


def _say(app: App, form: str, text: str) -> None:
    app.report.say(text)
    if form == "markdown":
        ci.summarise(f"{text}\n", os.environ)


def _then(found: Difference) -> str:
    same = found.running == found.candidate
    return ", which is what would be promoted" if same else f"; it would run {found.candidate}"


def _print(app: App, found: Difference) -> None:
    app.report.say(f"{found.environment} runs {found.running}{_then(found)}")
    if not found.changes:
        app.report.say("no commits lie between them")
    else:
        app.report.table(
            ["", "commit", "date", "author", "services", "subject"],
            [
                [change.direction, change.commit.revision[:12], _date(change.commit)]
                + [change.commit.author, listed(change.services) or "none"]
                + [change.commit.subject]
                for change in found.changes
            ],
        )
    if found.bytes:
        _print_bytes(app, found.bytes)
    else:
        app.report.note(f"{found.candidate} was not built yet: its bytes are not known")


def _print_bytes(app: App, kinds: Mapping[str, str]) -> None:
    """Show what becomes of each service; of many, those that stay as they are in one line."""
    stay = [name for name, kind in kinds.items() if kind.startswith(_IDENTICAL)]
    if len(kinds) <= _SHOWN:
        stay = []
    rows = [[name, kind] for name, kind in kinds.items() if name not in stay]
    if rows:
        app.report.table(["service", "bytes"], rows)
    if stay:
        app.report.say(f"{_IDENTICAL}: {listed(stay)}")


def _markdown(found: Difference) -> str:
    heading = (
        f"### {markdown.text(found.environment)}: "
        f"{markdown.code(found.running)} → {markdown.code(found.candidate)}\n"
    )
    rows = [
        [change.direction, markdown.code(change.commit.revision[:12])]
        + [markdown.text(change.commit.subject), markdown.text(change.commit.author)]
        + [markdown.text(", ".join(change.services) or "none")]
        for change in found.changes
    ]
    commits = (
        markdown.table(["", "commit", "subject", "author", "services"], rows)
        if rows
        else "No commits lie between them.\n"
    )
    kinds = [[markdown.text(name), kind] for name, kind in found.bytes.items()]
    images = (
        markdown.table(["service", "bytes"], kinds)
        if kinds
        else f"{markdown.code(found.candidate)} was not built yet: its bytes are not known.\n"
    )
    return "\n".join([heading, commits, images])


def _for_machines(found: Difference) -> dict[str, Any]:
    commits = [
        {
            "direction": change.direction,
            "revision": change.commit.revision,
            "subject": change.commit.subject,
            "author": change.commit.author,
            "date": _date(change.commit),
            "services": change.services,
        }
        for change in found.changes
    ]
    return {
        "environment": found.environment, "from": found.running, "to": found.candidate,
        "commits": commits, "bytes": dict(found.bytes),
    }  # fmt: skip


def _date(commit: Commit) -> str:
    return f"{datetime.fromtimestamp(commit.time, tz=timezone.utc):%Y-%m-%d %H:%M}"
