"""``inv status``: what every environment runs, since when, and whether it is in sync."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from buildonce.app import App, now
from buildonce.commands.observe import pointers_of
from buildonce.engines.base import Running
from buildonce.errors import BuildonceError, DifferenceError, PreconditionError
from buildonce.git.repository import Commit
from buildonce.ledger.events import busy
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.records.release import Release
from buildonce.ledger.snapshot import Snapshot, deployed_path, environment_path
from buildonce.parallel import run_all
from buildonce.plan.pointers import Pointers
from buildonce.refs import Digest, short
from buildonce.verify import deployed

_SHORT = ["environment", "state", "release", "subject", "deployed", "in sync"]
_EVERY = [*_SHORT[:5], "service", "digest", "pointer", "containers"]
_DETAILS = ["environment", "service", "what", "found"]


@dataclass(frozen=True)
class _Status:
    """An environment as it was found. ``running`` is None where nothing runs or can be seen.

    ``differences`` are what is not as the ledger says: service, what, found.
    """

    record: EnvironmentRecord
    release: Release | None = None
    commit: Commit | None = None
    pointers: Pointers | None = None
    running: Sequence[Running] | None = None
    differences: Sequence[tuple[str, str, str]] = ()

    @property
    def name(self) -> str:
        return self.record.environment

    @property
    def since(self) -> datetime | None:
        """When what it runs was deployed."""
        return self.record.successes[0].at if self.record.successes else None


def status(app: App, *, as_json: bool = False, every: bool = False, check: bool = False) -> None:
    """Show what environments run: a line each, and what differs; with ``every``, all services.

    Raises:
        DifferenceError: with ``check``, where an environment is out of sync or in progress.
    """
    snapshot = app.ledger.read()
    names = list(app.project.environments)
    snapshot.load(*map(environment_path, names), *map(deployed_path, names))
    found = run_all(partial(_look, app, snapshot), names)
    if as_json:
        app.report.json([row for one in found for row in _as_json(one)])
    else:
        _show(app, found, snapshot, every=every)
    wrong = [one.name for one in found if one.differences or one.record.open]
    if check and wrong:
        raise DifferenceError(
            f"out of sync: {', '.join(wrong)}", hint=f"inv verify --env {wrong[0]}"
        )


def _look(app: App, snapshot: Snapshot, name: str) -> _Status:
    record = snapshot.environment(name)
    release = snapshot.runs(record)
    if release is None:
        lost = [("", "record", f"none of release {record.release}")] if record.release else []
        return _Status(record, differences=lost)
    release = app.targets.pulled(name, release)
    points = app.project.environment(name).pointers
    pointers = pointers_of(app, name, release) if points else None
    running, differences = _engine(app, snapshot, name, release)
    astray = [
        (service, "pointer", f"names {short(pointers[service] or 'nothing')}")
        for service, image in release.services.items()
        if pointers and pointers[service] != image.digest
    ]
    commit = _commit(app, release.revision)
    return _Status(record, release, commit, pointers, running, [*astray, *differences])


def _engine(
    app: App, snapshot: Snapshot, name: str, release: Release
) -> tuple[Sequence[Running] | None, list[tuple[str, str, str]]]:
    observer = app.targets.observe(name, release, snapshot)
    if observer is None:
        return None, []
    try:
        running = observer.running()
    except BuildonceError as error:
        return None, [("", "containers", f"{error.message}; {error.hint}")]
    if app.project.environment(name).deploys:
        rows = deployed.rows(observer, running, snapshot.deployed(name))
    else:
        rows = deployed.observed(observer, running)
    return running, [(row.service, row.check, row.found) for row in rows if not row.holds]


def _commit(app: App, revision: str) -> Commit | None:
    try:
        return app.commit(revision)
    except PreconditionError:
        return None


def _show(app: App, found: Sequence[_Status], snapshot: Snapshot, *, every: bool) -> None:
    if every:
        app.report.table(_EVERY, [row for one in found for row in _rows(one)], cut="subject")
    else:
        rows = [[*_common(one), _in_sync(one)] for one in found]
        app.report.table(_SHORT, rows, cut="subject")
    differing = [[one.name, *difference] for one in found for difference in one.differences]
    if differing:
        app.report.table(_DETAILS, differing)
    if left := snapshot.names("pruned"):
        app.report.note(
            f"pruned, and not gone from the registry yet: {', '.join(left)}\n"
            "  → inv prune tries again"
        )
    for one in found:
        if one.record.open is not None:
            locked = busy(one.record.open)
            app.report.note(f"{locked.message}\n  → {locked.hint}")


def _common(one: _Status) -> list[str]:
    runs = one.record.release or "nothing yet"
    subject = one.commit.subject if one.commit else ""
    return [one.name, state_of(one.record), runs, subject, _ago(one.since)]


def _in_sync(one: _Status) -> str:
    if one.differences:
        return f"no: {_counted(len(one.differences), 'difference')}"
    if one.release is None:
        return ""
    if one.running is None:
        return "yes (pointers)"
    unknown = sum(bool(found.unknown and found.service) for found in one.running)
    return f"yes ({unknown} not checked)" if unknown else "yes"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _rows(one: _Status) -> list[list[str]]:
    if one.release is None:
        return [[*_common(one), *[""] * 4]]
    return [
        [
            *_common(one), service, short(image.digest), _pointer(one, service, image.digest),
            _in_words(one, service),
        ]
        for service, image in one.release.services.items()
    ]  # fmt: skip


def _pointer(one: _Status, service: str, digest: Digest) -> str:
    if one.pointers is None:
        return "none"
    found = one.pointers[service]
    return "in sync" if found == digest else f"names {short(found or 'nothing')}"


def _as_json(one: _Status) -> list[dict[str, object]]:
    common: dict[str, object] = {
        "environment": one.name,
        "state": state_of(one.record),
        "release": one.record.release,
        "differences": [
            dict(zip(("service", "what", "found"), difference, strict=True))
            for difference in one.differences
        ],
    }
    if one.release is None:
        return [common]
    pointers, astray = one.pointers or {}, {service for service, _, _ in one.differences}
    return [
        {
            **common,
            "subject": one.commit.subject if one.commit else None,
            "committed_at": one.commit.time if one.commit else None,
            "since": one.since.isoformat() if one.since else None,
            "service": service,
            "digest": image.digest,
            "pointer": pointers.get(service),
            "in_sync": not {"", service} & astray,
            "containers": None if one.running is None else _states(one.running, service),
        }
        for service, image in one.release.services.items()
    ]


def _states(running: Sequence[Running], service: str) -> list[str]:
    return [found.problem or found.state for found in running if found.service == service]


def _in_words(one: _Status, service: str) -> str:
    if one.running is None:
        return ""
    counted = Counter(state.removeprefix("is ") for state in _states(one.running, service))
    return ", ".join(f"{number} {state}" for state, number in counted.items()) or "none"


def state_of(record: EnvironmentRecord) -> str:
    """Return how an environment's latest promotion stands, in words."""
    promotion = record.promotion
    if promotion is None:
        return "empty"
    match promotion.outcome:
        case "open":
            return f"{promotion.kind} in progress"
        case "failed" | "aborted" if record.release:
            return f"{promotion.kind} {promotion.outcome}, undone"
        case "failed" | "aborted":
            return "empty"
        case outcome:
            return outcome


def _ago(time: datetime | None) -> str:
    if time is None:
        return ""
    seconds = int((now() - time).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{max(seconds, 0)} s ago"
