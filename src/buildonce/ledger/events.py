"""The ledger's events: each a pure function of the state before it.

Appending asks again whenever somebody else wrote in between, so each recognises its own event
when it is there already, and refuses when it no longer may be written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from buildonce.errors import BusyError, PreconditionError
from buildonce.ledger.records.environment import EnvironmentRecord, RunRecord
from buildonce.ledger.records.promotion import Ending, Promotion
from buildonce.ledger.records.record import Record
from buildonce.ledger.records.release import ImageRecord, Release
from buildonce.ledger.snapshot import (
    Event,
    Snapshot,
    bundle_path,
    deployment_path,
    environment_path,
    image_path,
    pruned_path,
    release_path,
    run_path,
)


@dataclass(frozen=True)
class DeployedBy:
    """What an engine deployed a release by: the definition with its images, and without them."""

    engine: str
    definition: str
    bundle: str


_NAMED = 8
"""How many services a subject names; of more it tells the number."""

Files: TypeAlias = dict[str, "Record | str | None"]


def built(snapshot: Snapshot, release: Release, images: Mapping[str, ImageRecord]) -> Event | None:
    """Record a build. What is recorded already stays as it is; only what is missing is added.

    Where another build of the same inputs was recorded first, its image is the release's.

    Args:
        snapshot: the state before.
        release: the release, without its services.
        images: the image of each service that was built or carried over.
    """
    recorded = snapshot.release(release.sha) or release
    if recorded.revision != release.revision:
        raise PreconditionError(
            f"{release.sha} is the tag of two commits: {recorded.revision} is recorded",
            hint="set tool.buildonce.sha_length to a greater number",
        )
    snapshot.load(*(image_path(name, image.identity) for name, image in images.items()))
    added = {
        name: _agreed(snapshot.image(name, image.identity), image)
        for name, image in images.items()
        if name not in recorded.services
    }
    if not added:
        return None
    merged = recorded.with_images(
        {name: image.of(release.revision) for name, image in added.items()}
    )
    new = {
        image_path(name, image.identity): image
        for name, image in added.items()
        if snapshot.image(name, image.identity) != image
    }
    digests = tuple(("Digest", f"{name} {image.digest}") for name, image in added.items())
    return Event(
        f"build {release.sha}: {_listed(added)}",
        (("Event", "built"), ("Release", release.sha), ("Actor", release.built_by), *digests),
        {release_path(release.sha): merged, pruned_path(release.sha): None, **new},
    )


def _agreed(known: ImageRecord | None, image: ImageRecord) -> ImageRecord:
    """Return which image of the same inputs counts: the one that was recorded first."""
    if known and known.image == image.image and known.generation >= image.generation:
        return known
    return image


def _listed(services: Collection[str]) -> str:
    return ", ".join(services) if len(services) <= _NAMED else f"{len(services)} services"


def opened(snapshot: Snapshot, promotion: Promotion) -> Event | None:
    """Record an intent: from now on it locks the environment.

    Raises:
        BusyError: another promotion locks it.
        PreconditionError: the environment has moved since this was planned.
    """
    record = snapshot.environment(promotion.environment)
    if record.open is not None:
        if record.open.id == promotion.id:
            return None
        raise busy(record.open)
    if snapshot.release(promotion.release) is None:
        raise PreconditionError(
            f"release {promotion.release} was pruned in the meantime; nothing was written",
            hint=f"inv build --sha {promotion.release}",
        )
    if (record.release, record.sequence + 1) != (promotion.previous, promotion.sequence):
        raise PreconditionError(
            f"{promotion.environment} was promoted to {record.release} in the meantime "
            f"(promotion {record.sequence}); nothing was written",
            hint=f"inv status, then inv promote {promotion.environment} again",
        )
    return _event("opened", record.opened(promotion))


def taken_over(snapshot: Snapshot, former: Promotion, mine: Promotion) -> Event | None:
    """Record that an open promotion has another holder.

    Raises:
        BusyError: somebody else took it over first.
        PreconditionError: it is no longer open.
    """
    record = snapshot.environment(former.environment)
    if record.open is not None and record.open.id == mine.id:
        return None
    require_holder(record, former)
    return _event("taken-over", record.taken_over(mine.id, mine.host))


def closed(
    snapshot: Snapshot,
    promotion: Promotion,
    outcome: Ending,
    at: datetime,
    by: str,
    message: str = "",
    deployed_by: DeployedBy | None = None,
) -> Event | None:
    """Record an outcome, when which releases ran, and what was deployed.

    Raises:
        BusyError, PreconditionError: the promotion is no longer ours.
    """
    record = snapshot.environment(promotion.environment)
    if record.promotion and record.promotion.id == promotion.id and not record.open:
        return None
    require_holder(record, promotion)
    files = _definitions(record, outcome, deployed_by)
    if outcome == "done":
        return _event("done", record.done(at, by), {**files, **_runs(snapshot, record, at)})
    return _event(outcome, record.undone(outcome, at, by, message), files)


def _definitions(
    record: EnvironmentRecord, outcome: Ending, deployed_by: DeployedBy | None
) -> Files:
    """Return what an environment runs by now, and the bundle of the release that it runs."""
    sha = record.open.release if record.open and outcome == "done" else record.release
    if deployed_by is None or sha is None:
        return {}
    return {
        deployment_path(record.environment): deployed_by.definition,
        bundle_path(record.environment, sha, deployed_by.engine): deployed_by.bundle,
    }


def broke(snapshot: Snapshot, promotion: Promotion, message: str) -> Event | None:
    """Record that a promotion failed and could not be put back; it stays open."""
    record = snapshot.environment(promotion.environment)
    require_holder(record, promotion)
    if record.open and record.open.outcome == "broken":
        return None
    return _event("broken", record.broken(message))


def require_holder(record: EnvironmentRecord, promotion: Promotion) -> None:
    """Refuse to go on with a promotion that is no longer ours.

    Raises:
        BusyError: another process locks the environment now.
        PreconditionError: the promotion was ended by somebody else.
    """
    if record.open is None:
        ended = record.promotion.outcome if record.promotion else "gone"
        raise PreconditionError(
            f"promotion {promotion.sequence} of {record.environment} was ended by somebody else "
            f"({ended}); nothing more was changed",
            hint="inv status",
        )
    if record.open.id != promotion.id:
        raise busy(record.open)


def busy(promotion: Promotion) -> BusyError:
    """Return the error that names what locks an environment."""
    name = promotion.environment
    return BusyError(
        f"{name} is locked by {promotion.kind} {promotion.sequence} to {promotion.release}, begun "
        f"by {promotion.actor} on {promotion.host} "
        f"at {promotion.started_at:%Y-%m-%d %H:%M:%S} UTC",
        hint=f"wait until it ends; if its process is gone: inv resume {name}, or inv abort {name}",
    )


def pruned(
    snapshot: Snapshot, choose: Callable[[Snapshot], Sequence[str]], actor: str
) -> Event | None:
    """Take releases out of use: their records move to ``pruned/`` until their tags are gone.

    What may go is chosen again from the state that the event is appended to: a promotion
    that began meanwhile keeps its release. That a release is blocked is not forgotten: it can
    be built again, of bytes that never ran anywhere. The images of inputs that no other release
    has are forgotten with them: their bytes may go when their tags do.
    """
    chosen = choose(snapshot)
    files: Files = {}
    for sha in chosen:
        files[release_path(sha)] = None
        files[pruned_path(sha)] = snapshot.release(sha)
        for environment in snapshot.folders("runs"):
            files.update(dict.fromkeys(snapshot.bundles(environment, sha)))
            run = snapshot.run(environment, sha)
            if run:
                blocked = run.model_copy(update={"pruned": True}) if run.blocked else None
                files[run_path(environment, sha)] = blocked
    files.update(dict.fromkeys(_unused_images(snapshot, chosen)))
    return _about_releases("pruned", chosen, actor, files)


def _unused_images(snapshot: Snapshot, going: Sequence[str]) -> set[str]:
    """Return the records of images that only these releases have."""
    staying = [sha for sha in snapshot.names("releases") if sha not in going]
    snapshot.load(*(release_path(sha) for sha in staying))
    return _images(snapshot, going) - _images(snapshot, staying)


def _images(snapshot: Snapshot, shas: Iterable[str]) -> set[str]:
    releases = [release for sha in shas if (release := snapshot.release(sha))]
    return {
        image_path(name, image.identity)
        for release in releases
        for name, image in release.services.items()
        if image.identity
    }


def forgotten(snapshot: Snapshot, shas: Sequence[str], actor: str) -> Event | None:
    """Record that the tags of pruned releases are gone."""
    left = [sha for sha in shas if snapshot.pruned(sha)]
    return _about_releases("forgotten", left, actor, {pruned_path(sha): None for sha in left})


def retired(snapshot: Snapshot, environment: str, reason: str, actor: str) -> Event | None:
    """Take an environment's records away; the log keeps what it ran.

    Raises:
        BusyError: a promotion of it is open.
    """
    record = snapshot.environment(environment)
    if record.open is not None:
        raise busy(record.open)
    runs = [f"runs/{environment}/{name}" for name in snapshot.folders(f"runs/{environment}")]
    bundles = [
        f"bundles/{environment}/{name}" for name in snapshot.folders(f"bundles/{environment}")
    ]
    if not runs and record.release is None:
        return None
    present = [environment_path(environment), *runs, *bundles]
    if snapshot.has_deployment(environment):
        present.append(deployment_path(environment))
    return Event(
        f"retire {environment}",
        (("Event", "retired"), ("Environment", environment), ("Actor", actor), ("Reason", reason)),
        dict.fromkeys(present),
    )


def _about_releases(what: str, shas: Sequence[str], actor: str, files: Files) -> Event | None:
    if not shas:
        return None
    listed = f"{len(shas)} releases" if len(shas) > 1 else shas[0]
    return Event(
        f"{what} {listed}",
        (("Event", what), ("Actor", actor), ("Releases", " ".join(shas))),
        files,
    )


def _runs(snapshot: Snapshot, record: EnvironmentRecord, at: datetime) -> Files:
    """Return the records of the release that came and of the one that it replaced."""
    name, promotion = record.environment, record.open
    assert promotion is not None
    files: Files = {}
    if record.release and record.release != promotion.release:
        left = snapshot.run(name, record.release)
        if left:
            rolled_back = promotion.kind == "rollback"
            blocked = (promotion.reason or "rolled back") if rolled_back else ""
            ended = left.model_copy(update={"until": at, "blocked": blocked})
            files[run_path(name, record.release)] = ended
    known = snapshot.run(name, promotion.release)
    since = known.since if known and known.until is None else at
    files[run_path(name, promotion.release)] = RunRecord(
        release=promotion.release, sequence=promotion.sequence, since=since
    )
    return files


def _event(what: str, record: EnvironmentRecord, files: Files | None = None) -> Event:
    """Return the event that leaves ``record`` behind, with its promotion as trailers."""
    promotion = record.promotion
    assert promotion is not None
    facts = (
        ("Event", what),
        ("Environment", record.environment),
        ("Sequence", str(promotion.sequence)),
        ("Kind", promotion.kind),
        ("Release", promotion.release),
        ("Previous", promotion.previous or ""),
        ("Promotion", promotion.id),
        ("Actor", promotion.actor),
        ("Host", promotion.host),
        ("Reason", promotion.reason),
        ("Overrides", ",".join(promotion.overrides)),
        ("Message", promotion.message),
    )
    return Event(
        f"{promotion.title}: {what}",
        tuple((key, value) for key, value in facts if value),
        {environment_path(record.environment): record, **(files or {})},
    )
