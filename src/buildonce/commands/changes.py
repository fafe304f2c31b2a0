"""``inv changes``: what a promotion would ship, or take back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from buildonce.app import App
from buildonce.commands.observe import release_in_question, required_release
from buildonce.errors import PreconditionError
from buildonce.git.repository import Commit
from buildonce.ledger.records.release import Release
from buildonce.parallel import run_by_key
from buildonce.refs import ImageRef


@dataclass(frozen=True)
class Change:
    """One commit that a promotion ships or takes back, and the services it touches."""

    commit: Commit
    direction: str
    services: tuple[str, ...]


def changes(app: App, environment: str, name: str | None, *, as_json: bool) -> None:
    """Show the commits between what an environment runs and what would be promoted."""
    app.project.environment(environment)
    snapshot = app.ledger.read()
    record = snapshot.environment(environment)
    if record.release is None:
        app.report.say(f"{environment} runs nothing yet: everything is new")
        return
    sha = release_in_question(app, snapshot, environment, name)
    running = required_release(snapshot, record.release)
    release = snapshot.release(sha)
    revision = release.revision if release else app.commit(sha).revision
    found = _between(app, running.revision, revision, "ships")
    found += _between(app, revision, running.revision, "takes back")
    bytes_of = _bytes(app, running, release) if release else {}
    if as_json:
        app.report.json(_for_machines(environment, running.sha, sha, found, bytes_of))
        return
    _print(app, environment, running.sha, sha, found, bytes_of)


def _between(app: App, old: str, new: str, direction: str) -> list[Change]:
    try:
        commits = app.git.commits(old, new)
    except PreconditionError as error:
        raise PreconditionError(
            f"the commits between {old[:12]} and {new[:12]} are not in this clone",
            hint=error.hint,
        ) from None
    touched = {
        service: {
            one.revision for one in app.git.commits(old, new, table.inputs or (table.context,))
        }
        for service, table in app.project.services.items()
    }
    return [
        Change(
            commit,
            direction,
            tuple(
                service for service, revisions in touched.items() if commit.revision in revisions
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
        return "identical"
    layers = _layers(app, old.ref), _layers(app, new.ref)
    return "labels only" if layers[0] is not None and layers[0] == layers[1] else "changed"


def _layers(app: App, ref: ImageRef) -> tuple[str, ...] | None:
    manifest = app.registry.manifest(ref)
    return manifest.layers if manifest and manifest.is_plain else None


def _print(
    app: App,
    environment: str,
    old: str,
    new: str,
    found: Sequence[Change],
    bytes_of: dict[str, str],
) -> None:
    app.report.say(f"{environment} runs {old}; it would run {new}")
    if not found:
        app.report.say("no commits lie between them")
    else:
        app.report.table(
            ["", "commit", "date", "author", "services", "subject"],
            [
                [change.direction, change.commit.revision[:12], _date(change.commit)]
                + [change.commit.author, ", ".join(change.services) or "none"]
                + [change.commit.subject]
                for change in found
            ],
        )
    if bytes_of:
        app.report.table(["service", "bytes"], [[name, said] for name, said in bytes_of.items()])
    else:
        app.report.note(f"{new} was not built yet: its bytes are not known")


def _for_machines(
    environment: str, old: str, new: str, found: Sequence[Change], bytes_of: dict[str, str]
) -> dict[str, Any]:
    commits = [
        {
            "direction": change.direction,
            "revision": change.commit.revision,
            "subject": change.commit.subject,
            "author": change.commit.author,
            "date": _date(change.commit),
            "services": change.services,
        }
        for change in found
    ]
    return {
        "environment": environment, "from": old, "to": new, "commits": commits, "bytes": bytes_of,
    }  # fmt: skip


def _date(commit: Commit) -> str:
    return f"{datetime.fromtimestamp(commit.time, tz=timezone.utc):%Y-%m-%d %H:%M}"
