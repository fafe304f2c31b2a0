"""``inv report``: the ledger, the registry and the engines as one HTML page."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from buildonce.app import App, now
from buildonce.commands.changes import difference
from buildonce.commands.status import state_of
from buildonce.errors import BuildonceError
from buildonce.ledger.log import read_history
from buildonce.ledger.records.promotion import Promotion
from buildonce.ledger.records.release import Release
from buildonce.ledger.snapshot import Snapshot, environment_path, release_path
from buildonce.parallel import run_by_key
from buildonce.refs import ImageRef
from buildonce.report.html.model import Commit, Deployment, Environment, Pending, Report, Size
from buildonce.report.html.page import page
from buildonce.verify.compare import compare
from buildonce.verify.evidence import Evidence
from buildonce.verify.gather import gather

HISTORY = 100
"""How many promotions of each environment the page goes back."""

SIZED = 10
"""Of how many releases, the latest, the sizes of images are asked for."""


def report(app: App, folder: Path) -> None:
    """Write the page into a folder, which is made where it is not there."""
    content = page(collect(app))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "index.html"
    path.write_text(content, encoding="utf-8")
    app.report.say(str(path))


def collect(app: App) -> Report:
    """Gather all that the page shows; what cannot be known now is said on the page."""
    snapshot = app.ledger.read()
    snapshot.load(*(environment_path(name) for name in app.project.environments))
    evidence, unverified = _evidence(app, snapshot)
    return Report(
        title=_title(app),
        made_at=now(),
        environments=tuple(_environment(app, snapshot, name) for name in app.project.environments),
        deployments=tuple(
            _deployment(app, name, promotion)
            for name in app.project.environments
            for promotion in read_history(app.ledger.branch, name, HISTORY)
        ),
        pending=tuple(_pending(app, snapshot, name) for name in app.project.environments),
        evidence=tuple(evidence),
        unverified=unverified,
        sizes=tuple(_sizes(app, snapshot)),
    )


def _title(app: App) -> str:
    address = app.project.source or app.git.source_url(app.project.ledger_remote)
    return address.partition("://")[2] if address else app.root.name


def _environment(app: App, snapshot: Snapshot, name: str) -> Environment:
    record = snapshot.environment(name)
    release = snapshot.runs(record)
    last = all(other.after != name for other in app.project.environments.values())
    if release is None:
        return Environment(name, state_of(record), record.release or "", last=last)
    subject, author = _authorship(app, release)
    return Environment(
        name=name,
        state=state_of(record),
        locked=record.open is not None,
        release=release.sha,
        subject=subject,
        author=author,
        deployed_at=record.successes[0].at if record.successes else None,
        digests={service: str(digest) for service, digest in release.digests().items()},
        last=last,
    )


def _authorship(app: App, release: Release) -> tuple[str, str]:
    try:
        commit = app.commit(release.revision)
    except BuildonceError:
        return "(the commit is not in this clone)", ""
    return commit.subject, commit.author


def _deployment(app: App, environment: str, one: Promotion) -> Deployment:
    return Deployment(
        environment=environment,
        sequence=one.sequence,
        kind=one.kind,
        release=one.release,
        previous=one.previous or "",
        actor=one.actor,
        reason=one.reason,
        message=one.message,
        started_at=one.started_at,
        took=one.finished_at - one.started_at if one.finished_at else None,
        outcome=one.outcome,
        commits=_first_shipped(app, one) if one.outcome == "done" else (),
    )


def _first_shipped(app: App, one: Promotion) -> tuple[datetime, ...]:
    """Return the times of the commits that a promotion brought; none where history is cut off."""
    if one.kind != "promotion" or one.release == one.previous:
        return ()
    try:
        commits = (
            app.git.commits(one.previous, one.release)
            if one.previous
            else [app.commit(one.release)]
        )
    except BuildonceError:
        return ()
    return tuple(_time(commit.time) for commit in commits)


def _pending(app: App, snapshot: Snapshot, environment: str) -> Pending:
    try:
        found = difference(app, snapshot, environment)
    except BuildonceError as error:
        return Pending(environment, note=error.message)
    if found is None:
        return Pending(environment, note="Nothing runs here yet: everything is new.")
    commits = tuple(
        Commit(
            revision=change.commit.revision,
            subject=change.commit.subject,
            author=change.commit.author,
            at=_time(change.commit.time),
            services=change.services,
            direction=change.direction,
        )
        for change in found.changes
    )
    return Pending(environment, found.running, found.candidate, commits)


def _evidence(app: App, snapshot: Snapshot) -> tuple[list[Evidence], str]:
    names = [name for name in app.project.environments if snapshot.environment(name).release]
    if not names:
        return [], "no environment runs a release yet"
    try:
        rows = gather(snapshot, names, app.registry, app.targets)
    except BuildonceError as error:
        return [], error.message
    return rows + compare(snapshot, names), ""


def _sizes(app: App, snapshot: Snapshot) -> list[Size]:
    releases = _latest(snapshot)
    refs = {image.digest: image.ref for one in releases for image in one.services.values()}
    octets = run_by_key(lambda ref: _size(app, ref), refs)
    return [
        Size(one.sha, one.built_at, service, size)
        for one in releases
        for service, image in one.services.items()
        if (size := octets[image.digest])
    ]


def _size(app: App, ref: ImageRef) -> int:
    """Return the size of an image's layers, of all platforms; 0 where it cannot be told."""
    try:
        family = app.registry.family(ref)
    except BuildonceError:
        return 0
    return sum(manifest.size for manifest in family if manifest.is_plain)


def _latest(snapshot: Snapshot) -> list[Release]:
    shas = snapshot.names("releases")
    snapshot.load(*(release_path(sha) for sha in shas))
    releases = [found for sha in shas if (found := snapshot.release(sha))]
    return sorted(releases, key=lambda one: one.built_at)[-SIZED:]


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, tz=timezone.utc)
