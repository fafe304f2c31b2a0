"""``inv build``: every service's image, once for each commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from buildonce.app import App
from buildonce.build import bake, policy, secrets
from buildonce.commands.imports import given_digests, imported, require_same
from buildonce.commands.inputs import candidates
from buildonce.config import PROJECT_FILE, as_committed, read_table, table_in
from buildonce.errors import BuildonceError, PreconditionError, UsageError
from buildonce.git.repository import Commit
from buildonce.ledger.records.release import Release
from buildonce.parallel import run_by_key
from buildonce.plan.building import listed as listed_services
from buildonce.plan.building import plan_build
from buildonce.plan.plans import Plan
from buildonce.plan.steps import Bake
from buildonce.refs import short

_SHOWN = 20
"""How many services a table names, unless all are asked for."""

_ORIGINS = 3
"""How many of the commits are named that unchanged images were built from."""


def build_commit(
    app: App,
    name: str,
    services: Sequence[str],
    *,
    digests: Sequence[str] = (),
    fresh: str = "",
    details: bool = False,
) -> None:
    """Build what is missing of a commit's release, push it and record it.

    ``digests`` says which images to import, as ``service=sha256:…``; ``fresh`` is why to build
    also what there is an image of already; ``details`` shows every service, and in a dry run
    what Buildx gets.

    Raises:
        UsageError: a digest is none, or of a service that is built here.
        PreconditionError: it is to be built afresh, and the release has it already; or what is
            built elsewhere is not there.
    """
    commit = app.commit(name)
    sha = app.sha(commit)
    app = _as_committed(app, commit)
    project = app.project
    chosen = services or list(project.services)
    given = given_digests(project, digests)
    tags = {service: project.repository(service).tag(sha) for service in chosen}
    with ThreadPoolExecutor(1) as aside:
        left_out = aside.submit(lambda: name == "HEAD" and app.git.has_changes())
        snapshot = app.ledger.read()
    if left_out.result():
        app.report.note(f"uncommitted changes are left out: {sha} is built as it was committed")
    record = snapshot.release(sha)
    recorded = {name: ref for name, ref in tags.items() if record and name in record.services}
    built = {name: ref for name, ref in recorded.items() if name in project.built}
    if fresh and built:
        raise _built_already(sha, built)
    missing = {name: ref for name, ref in tags.items() if name not in recorded}
    found = run_by_key(app.registry.digest, recorded)
    require_same(record, given)
    images = imported(app, commit, missing, given)
    known = candidates(
        app, snapshot, commit, {name: ref for name, ref in missing.items() if name not in images}
    )
    plan = plan_build(commit, sha, tags, record, found, known, fresh, images)
    secrets.require(project, _baked(plan))
    run = app.carry_out(plan, details=details)
    release = run.release or record
    if release and not (app.dry_run and plan.steps):
        _show(app, release, details=details)


def _baked(plan: Plan) -> list[str]:
    steps = [step for step in plan.steps if isinstance(step, Bake)]
    return [service for step in steps for service in step.targets]


def _show(app: App, release: Release, *, details: bool) -> None:
    """Show what was built of this commit, and how many images are from others."""
    carried = [name for name, image in release.services.items() if image.built_from]
    built = [name for name in release.services if name not in carried]
    shown = list(release.services) if details else built[:_SHOWN]
    if shown:
        app.report.table(
            ["service", "image", "digest", "built from"],
            [
                [
                    name,
                    str(release.tag_of(name)),
                    short(release.services[name].digest),
                    release.revision_of(name)[: len(release.sha)],
                ]
                for name in shown
            ],
        )
    if len(built) > _SHOWN and not details:
        app.report.say(f"and {len(built) - _SHOWN} more were built (--details lists them all)")
    if carried:
        origins = Counter(release.revision_of(name)[: len(release.sha)] for name in carried)
        app.report.say(f"unchanged: {listed_services(carried)} (built {_listed(origins)})")


def _listed(origins: Counter[str]) -> str:
    """Return the commits that images were built from, with how many of each."""
    if len(origins) == 1:
        return f"from {next(iter(origins))}"
    return ", ".join(f"{count} from {sha}" for sha, count in origins.most_common(_ORIGINS))


def _built_already(sha: str, services: Collection[str]) -> PreconditionError:
    return PreconditionError(
        f"{sha} is built already, and a recorded digest does not change: "
        f"{listed_services(services)}",
        hint="build another commit afresh: git commit --allow-empty --message='Refresh the images'",
    )


def _as_committed(app: App, commit: Commit) -> App:
    """Return the parts that build a commit's own services, whatever this folder's are.

    Raises:
        UsageError: the commit's configuration is wrong.
    """
    sha = app.sha(commit)
    try:
        committed = table_in(app.git.show(commit.revision, PROJECT_FILE), PROJECT_FILE)
    except BuildonceError:
        app.report.note(f"{sha} has no services of its own: this folder's {PROJECT_FILE} counts")
        return app
    here = read_table(app.root)
    if committed == here:
        return app
    its = replace(app, table=as_committed(app.table, here, committed))
    try:
        _ = its.project
    except UsageError as error:
        raise UsageError(
            f"{sha} cannot be built: {error.message}",
            hint=f"that is what {sha} has in its {PROJECT_FILE}; build a commit that corrects it",
        ) from None
    return its


def _built_here(app: App, services: Sequence[str]) -> list[str]:
    """Return the services of a local build: those asked for or, of none, all that are built.

    Raises:
        UsageError: one of them is built elsewhere.
    """
    for name in services:
        if image := app.project.service(name).image:
            raise UsageError(
                f"service {name} is built elsewhere: {image}",
                hint="inv build --sha imports its image",
            )
    return list(services or app.project.built)


def build_working_tree(app: App, services: Sequence[str]) -> None:
    """Build the folder as it is, for trying it out: loaded as ``:dev``, never pushed."""
    from buildonce.build.buildx import Buildx

    chosen = _built_here(app, services)
    tags = {service: str(app.project.repository(service).tag("dev")) for service in chosen}
    definition = bake.local_definition(app.project, app.root, tags)
    secrets.require(app.project, chosen)
    if app.dry_run:
        app.report.say(f"dry run: build {', '.join(tags.values())} from the working tree")
        app.report.json(definition)
        return
    with app.report.step(f"build {', '.join(chosen)} from the working tree"):
        rules = policy.replacing(app.project.bases)
        values = secrets.values(app.project, chosen)
        Buildx().bake(definition, rules, app.report.log, values)
    for tag in tags.values():
        app.report.say(f"loaded {tag}   (a local build: it cannot be promoted)")
