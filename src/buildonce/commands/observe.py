"""What commands look at before they plan: one environment as it is."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from buildonce.app import App
from buildonce.build import bake
from buildonce.commands.releases import required_release
from buildonce.engines.base import Engine
from buildonce.errors import IntegrityError, PreconditionError, UnavailableError
from buildonce.ledger.records.deployment import DeploymentRecord
from buildonce.ledger.records.environment import EnvironmentRecord
from buildonce.ledger.records.release import Release
from buildonce.ledger.snapshot import (
    Snapshot,
    bundle_path,
    deployed_path,
    deployment_path,
    run_path,
)
from buildonce.parallel import run_all, run_by_key
from buildonce.plan.observation import Lineage, Observation
from buildonce.plan.pointers import Pointers, pointers_wait, references
from buildonce.plan.steps import Copy
from buildonce.refs import ImageRef
from buildonce.registry.connections import is_loopback
from buildonce.verify import deployed


def observe(
    app: App, snapshot: Snapshot, environment: str, sha: str, *, back_to: str | None = None
) -> Observation:
    """Look at an environment and at the release that it is to run, or was about to.

    ``back_to`` is the release that containers are to go back to, if they are: the hosts may
    have its images, so the registry need not answer.

    Raises:
        PreconditionError: the release is not recorded, or its deployment cannot be read.
        UnavailableError: the registry or the engine does not answer.
    """
    settings = app.project.environment(environment)
    _require_shared_ledger(app, environment)
    record = snapshot.environment(environment)
    services = record.open.services if record.open else settings.services
    recorded = [required_release(snapshot, sha).only(services), snapshot.runs(record)]
    for known in filter(None, recorded):
        _require_own_images(app, known)
    release, previous = (known and app.targets.pulled(environment, known) for known in recorded)
    assert release is not None
    engine_name = app.project.environment(environment).engine
    shas = [known.sha for known in (release, previous) if known]
    snapshot.load(
        deployment_path(environment),
        deployed_path(environment),
        *(run_path(environment, sha) for sha in shas),
        *(bundle_path(environment, sha, engine_name) for sha in shas),
    )
    engine = app.targets.bind(environment, release, snapshot)
    way_back = None
    if previous and snapshot.has_deployment(environment):
        same = previous == release
        way_back = engine if same else app.targets.bind(environment, previous, snapshot)
    settled = record.open is None and record.release == release.sha
    looks: list[Callable[[], Any]] = [
        partial(_pointers, app, environment, (release, previous), back_to),
        partial(_copies, app, environment, recorded, back_to),
        partial(_in_sync, engine if settled else None, snapshot.deployed(environment)),
        partial(app.git.is_on, release.revision, settings.branches, app.project.ledger_remote),
        partial(_lineage, app, release, previous),
    ]
    pointers, copies, in_sync, on_branches, lineage = run_all(lambda look: look(), looks)
    return Observation(
        settings=settings,
        snapshot=snapshot,
        record=record,
        release=release,
        previous=previous,
        pointers=pointers,
        copies=copies,
        engine=engine,
        way_back=way_back,
        in_sync=in_sync,
        on_branches=on_branches,
        lineage=lineage,
        repository=app.git.source_url(app.project.ledger_remote) or "",
        promoted_from=_promoted_from(app, record, release, pointers),
    )


def _promoted_from(
    app: App, record: EnvironmentRecord, release: Release, pointers: Pointers | None
) -> str:
    """Return the repository that promoted an environment last, by its record or an image's label.

    Before the first promotion that is in this ledger, another ledger may have had some: then
    pointers are there already.
    """
    if record.promotion:
        return record.promotion.repository
    there = [service for service, digest in (pointers or {}).items() if digest]
    tags = [release.services[name].tag(record.environment) for name in there[:1]]
    manifests = filter(None, map(app.registry.manifest, tags))
    labels = [app.registry.labels(manifest) for manifest in manifests if manifest.is_plain]
    return next((found.get(bake.SOURCE_LABEL, "") for found in labels), "")


def _copies(
    app: App, environment: str, recorded: Sequence[Release | None], back_to: str | None
) -> tuple[Copy, ...]:
    """Return what the environment's own registry lacks of a release, and of the one before.

    On a way back nothing is asked: the environment ran the release, so its images are there.

    Raises:
        IntegrityError: a commit's tag holds other bytes there.
    """
    if back_to is not None or not app.project.has_own_registry(environment):
        return ()
    wanted = {
        pulled.tag_of(service): (release, service)
        for release in recorded
        if release
        for pulled in [app.targets.pulled(environment, release)]
        for service in release.services
    }
    found = run_all(lambda tag: _copy(app, tag, *wanted[tag]), wanted)
    return tuple(copy for copy in found if copy)


def _copy(app: App, tag: ImageRef, release: Release, service: str) -> Copy | None:
    image = release.services[service]
    found = app.registry.digest(tag)
    if found == image.digest:
        return None
    if found:
        raise IntegrityError(
            f"{tag} holds {found}, and the release has {image.digest}",
            hint="nothing was overwritten; find out who pushed it, and remove that tag",
        )
    there = app.registry.digest(tag.repository.at(image.digest)) is not None
    return Copy(service, image.ref, tag, image.digest, there)


def _require_shared_ledger(app: App, environment: str) -> None:
    """Refuse a ledger that only this clone has for an environment that others reach as well.

    Raises:
        PreconditionError: the clone has no remote, and the environment more than this machine.
    """
    if app.git.remotes():
        return
    settings = app.project.environment(environment)
    shared = settings.elsewhere
    for registry in filter(None, (app.project.registry, settings.registry)):
        if not shared and not is_loopback(registry.partition("/")[0]):
            shared = registry
    if shared:
        remote, branch = app.project.ledger_remote, app.project.ledger_branch
        raise PreconditionError(
            f"this clone has no git remote, so nobody else would see its ledger; {environment} "
            f"uses {shared}, which others may use as well",
            hint=f"git remote add {remote} ADDRESS; a ledger that began here: "
            f"git push {remote} {branch}",
        )


def _require_own_images(app: App, release: Release) -> None:
    """Refuse images from anywhere but where the configuration says.

    Raises:
        IntegrityError: the ledger's record names another repository.
    """
    for service, image in release.services.items():
        place = app.project.place_of(service)
        if image.repository != place:
            raise IntegrityError(
                f"release {release.sha} has {service} in {image.image}, and the configuration "
                f"says {place}",
                hint=f"git log -p -- :/releases/{release.sha}.json   (on the ledger's branch: who "
                "wrote it); if the registry has moved: inv build --sha of a new commit",
            )


def pointers_of(app: App, environment: str, *releases: Release | None) -> Pointers:
    """Return what an environment's pointers name now, for the services of the releases."""
    return run_by_key(app.registry.digest, references(environment, *releases))


def _pointers(
    app: App, environment: str, releases: Sequence[Release | None], back_to: str | None
) -> Pointers | None:
    if not app.project.environment(environment).pointers:
        return None
    try:
        return pointers_of(app, environment, *releases)
    except UnavailableError as error:
        if back_to is None or not app.project.environment(environment).deploys:
            raise
        app.report.note(pointers_wait(environment, back_to, error))
        return None


def new_promotion_id() -> str:
    """Return a name for a promotion and its holder that nobody else has."""
    return uuid.uuid4().hex


def _lineage(app: App, release: Release, previous: Release | None) -> Lineage:
    if previous is None or app.git.is_ancestor(previous.revision, release.revision):
        return "ahead"
    behind = app.git.is_ancestor(release.revision, previous.revision)
    if behind is None:
        return "unknown"
    return "behind" if behind else "apart"


def _in_sync(engine: Engine | None, record: DeploymentRecord | None) -> bool:
    if engine is None:
        return True
    return all(row.holds or row.remedy for row in deployed.rows(engine, engine.running(), record))
