"""``inv status``: what every environment runs, and whether it is in sync."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from buildonce.app import App, now
from buildonce.commands.observe import pointers_of
from buildonce.errors import BuildonceError, PreconditionError
from buildonce.git.repository import Commit
from buildonce.ledger.events import busy
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.records.release import Release
from buildonce.ledger.snapshot import Snapshot, environment_path
from buildonce.refs import short


def status(app: App, *, as_json: bool) -> None:
    """Show what every environment runs, and whether its pointers agree with the record."""
    snapshot = app.ledger.read()
    snapshot.load(*(environment_path(name) for name in app.project.environments))
    rows: list[dict[str, object]] = []
    for name in app.project.environments:
        rows += _status_of(app, snapshot, snapshot.environment(name))
    if as_json:
        app.report.json(rows)
        return
    app.report.table(
        ["environment", "state", "release", "subject", "age", "service", "digest", "pointer"]
        + ["containers"],
        [_status_row(row) for row in rows],
    )
    for name in app.project.environments:
        promotion = snapshot.environment(name).open
        if promotion is not None:
            locked = busy(promotion)
            app.report.note(f"{locked.message}\n  → {locked.hint}")


def _status_of(app: App, snapshot: Snapshot, record: EnvironmentRecord) -> list[dict[str, object]]:
    common: dict[str, object] = {
        "environment": record.environment,
        "state": state_of(record),
        "release": record.release,
    }
    release = snapshot.runs(record)
    if release is None:
        return [common]
    pointers = pointers_of(app, record.environment, release)
    containers = _containers(app, snapshot, record.environment, release)
    commit = _commit(app, release.revision)
    return [
        {
            **common,
            "subject": commit.subject if commit else None,
            "committed_at": commit.time if commit else None,
            "since": record.successes[0].at.isoformat() if record.successes else None,
            "service": service,
            "digest": image.digest,
            "pointer": pointers[service],
            "in_sync": pointers[service] == image.digest,
            "containers": containers.get(service) if containers is not None else None,
        }
        for service, image in release.services.items()
    ]


def _containers(
    app: App, snapshot: Snapshot, environment: str, release: Release
) -> dict[str, list[str]] | None:
    """Return for each service what its containers are, in words; None where none are run."""
    engine = app.targets.bind(environment, release, snapshot)
    if engine is None:
        return None
    states: dict[str, list[str]] = {service: [] for service in release.services}
    try:
        for container in engine.running():
            states.setdefault(container.service, []).append(container.problem or container.state)
    except BuildonceError as error:
        app.report.note(f"{error.message}\n  → {error.hint}")
        return {service: ["unknown"] for service in states}
    return states


def _commit(app: App, revision: str) -> Commit | None:
    try:
        return app.commit(revision)
    except PreconditionError:
        return None


def state_of(record: EnvironmentRecord) -> str:
    """Return how an environment's latest promotion stands, in words."""
    promotion = record.promotion
    if promotion is None:
        return "empty"
    match promotion.outcome:
        case "open":
            return f"{promotion.kind} in progress"
        case "failed" | "aborted" if record.release:
            return f"{promotion.kind} {promotion.outcome}, put back"
        case "failed" | "aborted":
            return "empty"
        case outcome:
            return outcome


def _status_row(row: dict[str, object]) -> list[str]:
    if "service" not in row:
        runs = f"{row['release']}: there is no record of it" if row["release"] else "nothing yet"
        return [str(row["environment"]), str(row["state"]), runs, *[""] * 6]
    time = row["committed_at"]
    age = _age(now(), time) if isinstance(time, int) else "not in this clone"
    return [
        str(row["environment"]),
        str(row["state"]),
        str(row["release"]),
        str(row["subject"] or ""),
        age,
        str(row["service"]),
        short(str(row["digest"])),
        "in sync" if row["in_sync"] else f"names {short(str(row['pointer'] or 'nothing'))}",
        _in_words(row["containers"]),
    ]


def _in_words(containers: object) -> str:
    if not isinstance(containers, list):
        return ""
    counted = Counter(str(state).removeprefix("is ") for state in containers)
    return ", ".join(f"{number} {state}" for state, number in counted.items()) or "none"


def _age(present: datetime, time: int) -> str:
    seconds = int(present.timestamp()) - time
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{max(seconds, 0)} s"
