"""Events of releases and environments as a whole: built, pruned, retired.

As with promotions (``events``), each recognises what is recorded already.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from buildonce.errors import PreconditionError
from buildonce.ledger.events import Files, busy
from buildonce.ledger.records.release import ImageRecord, Release
from buildonce.ledger.snapshot import (
    Event,
    Snapshot,
    deployed_path,
    deployment_path,
    environment_path,
    image_path,
    pruned_path,
    release_path,
    run_path,
)

_NAMED = 8
"""How many services a subject names; of more it tells the number."""


def built(snapshot: Snapshot, release: Release, images: Mapping[str, ImageRecord]) -> Event | None:
    """Record a build. What is recorded already stays as it is; only what is missing is added.

    Where another build of the same inputs was recorded first, its image is the release's.

    Args:
        snapshot: the state before.
        release: the release, without its services.
        images: the image of each service that was built or reused.
    """
    recorded = _recorded(snapshot, release) or release
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


def loaded(
    snapshot: Snapshot,
    release: Release,
    images: Mapping[str, ImageRecord],
    bundles: Mapping[str, str],
) -> Event | None:
    """Record a release as it was built elsewhere, with the bundles that it brings, by path.

    Inputs get an image where they have none yet and ``images`` has the release's own: elsewhere,
    they may have been built once more since.
    """
    recorded = _recorded(snapshot, release)
    known = recorded.services if recorded else {}
    added = {name: image for name, image in release.services.items() if name not in known}
    own = {
        image_path(name, images[name].identity): images[name]
        for name, image in added.items()
        if name in images and images[name].digest == image.digest
    }
    snapshot.load(*bundles, *own)
    brought: Files = {**bundles, **own}
    files = {path: brought[path] for path in brought if not snapshot.has(path)}
    if added:
        merged = recorded.with_images(added) if recorded else release
        files |= {release_path(release.sha): merged, pruned_path(release.sha): None}
    if not files:
        return None
    digests = (("Digest", f"{name} {image.digest}") for name, image in added.items())
    return Event(
        f"load {release.sha}: {_listed(release.services)}",
        (("Event", "loaded"), ("Release", release.sha), ("Actor", release.built_by), *digests),
        files,
    )


def _recorded(snapshot: Snapshot, release: Release) -> Release | None:
    """Return what is recorded of a release already.

    Raises:
        PreconditionError: it is another commit's.
    """
    recorded = snapshot.release(release.sha)
    if recorded and recorded.revision != release.revision:
        raise PreconditionError(
            f"{release.sha} is the tag of two commits: {recorded.revision} is recorded",
            hint="set tool.buildonce.sha_length to a greater number",
        )
    return recorded


def _agreed(known: ImageRecord | None, image: ImageRecord) -> ImageRecord:
    """Return which image of the same inputs counts: the one that was recorded first."""
    if known and known.image == image.image and known.generation >= image.generation:
        return known
    return image


def _listed(services: Collection[str]) -> str:
    return ", ".join(services) if len(services) <= _NAMED else f"{len(services)} services"


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
    if snapshot.deployed(environment):
        present.append(deployed_path(environment))
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
