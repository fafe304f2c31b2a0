"""``inv verify``, ``status`` and ``sha``: what is there, and whether it is what was built."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from buildonce import ci
from buildonce.app import App, now
from buildonce.commands.observe import pointers_of
from buildonce.errors import BuildonceError, DifferenceError, PreconditionError
from buildonce.git.repository import Commit
from buildonce.ledger.events import busy
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.records.release import Release
from buildonce.ledger.snapshot import Snapshot, environment_path
from buildonce.refs import short
from buildonce.report.terminal import evidence_json, evidence_markdown
from buildonce.verify.gather import Evidence, compare, gather

_MENDABLE = ("record", "pointer", "container", "task")


def verify(app: App, environments: Sequence[str], *, each: bool, as_json: bool) -> None:
    """Check environments against their records and, unless ``each``, against one another.

    Raises:
        DifferenceError: a row of the evidence does not hold.
    """
    chosen = list(dict.fromkeys(environments)) or list(app.project.environments)
    for name in chosen:
        app.project.environment(name)
    if not chosen:
        raise PreconditionError(
            "there is no environment to verify", hint="add [tool.buildonce.environments.staging]"
        )
    snapshot = app.ledger.read()
    rows = gather(snapshot, chosen, app.registry, app.hosts)
    rows += [] if each else compare(snapshot, chosen)
    ci.summarise(evidence_markdown(rows), os.environ)
    if as_json:
        app.report.json(evidence_json(rows))
    else:
        app.report.evidence(rows)
    differing = [row for row in rows if not row.holds]
    if differing:
        named = "\n  ".join(
            f"{row.environment} {row.service} {row.check} at {row.where}: "
            f"expected {row.expected}, found {row.found}"
            for row in differing
        )
        raise DifferenceError(
            f"{len(differing)} of {len(rows)} checks do not hold:\n  {named}",
            hint=_remedy(snapshot, differing),
        )
    if not as_json:
        same = "" if each or len(chosen) == 1 else f"; {' and '.join(chosen)} are identical"
        app.report.say(f"all {len(rows)} checks hold{same}")


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
        record = snapshot.environment(name)
        if record.operation is not None:
            held = busy(record)
            app.report.note(f"{held.message}\n  → {held.hint}")


def show_sha(app: App, name: str) -> None:
    """Print the tag of a commit, and set the output ``sha`` where a workflow runs."""
    sha = app.sha(app.commit(name))
    print(sha)
    ci.set_outputs({"sha": sha}, os.environ)


def _remedy(snapshot: Snapshot, differing: Sequence[Evidence]) -> str:
    """Return the commands after which environments are what their records say."""
    if any(row.check == "containers" for row in differing):
        return "inv doctor, and see that the engine named above answers"
    names = dict.fromkeys(row.environment for row in differing if row.check in _MENDABLE)
    if not names:
        return (
            "where they are meant to differ: inv verify --each; "
            f"who wanted it: inv history {differing[0].environment}"
        )
    commands = [_mending(snapshot.environment(name)) for name in names]
    return f"to put it right, without a build: {'; '.join(commands)}"


def _mending(record: EnvironmentRecord) -> str:
    name = record.environment
    if record.operation is not None:
        return f"inv resume {name}, or inv abort {name}"
    return f"inv promote {name} --sha {record.release}" if record.release else f"inv promote {name}"


def _status_of(app: App, snapshot: Snapshot, record: EnvironmentRecord) -> list[dict[str, object]]:
    common: dict[str, object] = {
        "environment": record.environment,
        "state": _state(record),
        "release": record.release,
    }
    release = snapshot.runs(record)
    if release is None:
        return [common]
    pointers = pointers_of(app, record.environment, release)
    containers = _containers(app, record.environment, release)
    commit = _commit(app, release.revision)
    return [
        {
            **common,
            "subject": commit.subject if commit else None,
            "committed_at": commit.time if commit else None,
            "since": record.good[0].at.isoformat() if record.good else None,
            "service": service,
            "digest": image.digest,
            "pointer": pointers[service],
            "in_step": pointers[service] == image.digest,
            "containers": containers.get(service) if containers is not None else None,
        }
        for service, image in release.services.items()
    ]


def _containers(app: App, environment: str, release: Release) -> dict[str, list[str]] | None:
    """Return for each service what its containers are, in words; None where none are run."""
    if not app.hosts.deploys(environment):
        return None
    found: dict[str, list[str]] = {service: [] for service in release.services}
    try:
        for one in app.hosts.running(environment, release):
            found.setdefault(one.service, []).append(one.problem or one.state)
    except BuildonceError as error:
        app.report.note(f"{error.message}\n  → {error.hint}")
        return {service: ["unknown"] for service in found}
    return found


def _commit(app: App, revision: str) -> Commit | None:
    try:
        return app.commit(revision)
    except PreconditionError:
        return None


def _state(record: EnvironmentRecord) -> str:
    if record.state == "failed" and record.last is not None:
        return f"{record.last.operation.kind} {record.last.outcome}, put back"
    if record.operation is None or record.state == "broken":
        return record.state
    return f"{record.operation.kind} in progress"


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
        "in step" if row["in_step"] else f"names {short(str(row['pointer'] or 'nothing'))}",
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
