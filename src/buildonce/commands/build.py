"""``inv build``: every service's image, once for each commit."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from buildonce.app import App
from buildonce.build import bake, pins, policy
from buildonce.build.pins import Pins
from buildonce.config import PROJECT_FILE, read_table, table_in
from buildonce.errors import BuildonceError
from buildonce.git.repository import Commit
from buildonce.parallel import run_by_key
from buildonce.plan.building import plan_build
from buildonce.refs import short


def build_commit(app: App, name: str, services: Sequence[str]) -> None:
    """Build what is missing of a commit's release, push it and record it."""
    project = app.project
    chosen = services or list(project.services)
    commit = app.commit(name)
    sha = app.sha(commit)
    tags = {service: project.repository(service).tag(sha) for service in chosen}
    with ThreadPoolExecutor(3) as aside:
        found = aside.submit(run_by_key, app.registry.digest, tags)
        left_out = aside.submit(lambda: name == "HEAD" and app.git.has_changes())
        is_committed = aside.submit(_is_configured_as_committed, app, commit)
        record = app.ledger.read().release(sha)
    if left_out.result():
        app.report.note(f"uncommitted changes are left out: {sha} is built as it was committed")
    if not is_committed.result():
        app.report.note(f"services are built as this folder's {PROJECT_FILE} says, not {sha}'s")
    missing = [service for service in chosen if not record or service not in record.services]
    pinned = _pins(app, commit, missing) if missing else {}
    plan = plan_build(commit, sha, tags, record, found.result(), pinned)
    run = app.carry_out(plan)
    if app.dry_run and plan.steps:
        return
    release = run.release or record
    if release:
        app.report.table(
            ["service", "image", "digest"],
            [
                [service, str(image.tag(sha)), short(image.digest)]
                for service, image in release.services.items()
            ],
        )


def _pins(app: App, commit: Commit, services: Sequence[str]) -> dict[str, Pins]:
    """Return what services take from outside, by the Dockerfiles of a commit."""
    project = app.project

    def read(paths: Sequence[str]) -> list[bytes | None]:
        return app.git.files(commit.revision, paths)

    found = pins.find(project, services, read)
    if pins.unused(project.bases, found):
        pins.require_used(project.bases, pins.find(project, project.services, read))
    return pins.pin(project, found, app.registry.digest)


def _is_configured_as_committed(app: App, commit: Commit) -> bool:
    try:
        committed = table_in(app.git.show(commit.revision, PROJECT_FILE), PROJECT_FILE)
    except BuildonceError:
        return False
    return committed == read_table(app.root)


def build_working_tree(app: App, services: Sequence[str]) -> None:
    """Build the folder as it is, for trying it out: loaded as ``:dev``, never pushed."""
    from buildonce.build.buildx import Buildx

    chosen = services or list(app.project.services)
    tags = {service: str(app.project.repository(service).tag("dev")) for service in chosen}
    definition = bake.local_definition(app.project, app.root, tags)
    if app.dry_run:
        app.report.say(f"dry run: build {', '.join(tags.values())} from the working tree")
        app.report.json(definition)
        return
    with app.report.step(f"build {', '.join(chosen)} from the working tree"):
        Buildx().bake(definition, policy.replacing(app.project.bases), app.report.log)
    for tag in tags.values():
        app.report.say(f"loaded {tag}   (a local build: it cannot be promoted)")
