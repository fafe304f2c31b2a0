"""``inv prune``: old tags and records, under the configuration's policy."""

from __future__ import annotations

from buildonce.app import App, now
from buildonce.durations import format_duration
from buildonce.ledger.records.release import Release
from buildonce.ledger.snapshot import Snapshot
from buildonce.plan.building import listed
from buildonce.plan.plans import Plan
from buildonce.plan.retention import decide
from buildonce.plan.steps import ForgetReleases, PruneReleases, RemoveTag, Step
from buildonce.refs import ImageRef


def prune(app: App) -> None:
    """Remove the releases that nothing keeps; first finish what an earlier prune began."""
    snapshot = app.ledger.read()
    present = now()
    decisions = decide(snapshot, app.project.prune, present)
    app.report.table(
        ["", "release", "built", "services", "because"],
        [
            [
                "remove" if decision.goes else "keep",
                decision.sha,
                f"{format_duration(present - decision.release.built_at)} ago",
                listed(decision.release.services, most=3),
                decision.kept or "not needed",
            ]
            for decision in decisions
        ],
    )
    going = {decision.sha: decision.release for decision in decisions if decision.goes}
    app.carry_out(_plan(app, going, _unfinished(snapshot)))


def _unfinished(snapshot: Snapshot) -> dict[str, Release]:
    return {sha: release for sha in snapshot.names("pruned") if (release := snapshot.pruned(sha))}


def _plan(app: App, going: dict[str, Release], unfinished: dict[str, Release]) -> Plan:
    everything = {**unfinished, **going}
    if not everything:
        return Plan("nothing to remove")
    tags = {sha: _tags(app, release) for sha, release in everything.items()}
    removals = [RemoveTag(sha, tag) for sha, own in tags.items() for tag in own]
    repositories = frozenset(removal.tag.repository for removal in removals)
    steps: list[Step] = [PruneReleases(tuple(going), repositories)] if going else []
    steps += [*removals, ForgetReleases(tags)]
    return Plan(f"remove {len(everything)} releases", tuple(steps))


def _tags(app: App, release: Release) -> list[ImageRef]:
    """Return the tags of a release's images, those in environments' own registries included."""
    own = [name for name in app.project.environments if app.project.has_own_registry(name)]
    copied = [app.targets.pulled(name, release) for name in own]
    tags = [one.tag_of(service) for one in (release, *copied) for service in one.services]
    return list(dict.fromkeys(tags))
