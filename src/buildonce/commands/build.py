"""``inv build``: every service's image, once for each commit."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from buildonce import bake
from buildonce.app import App
from buildonce.parallel import run_by_key
from buildonce.plan import plan_build
from buildonce.refs import short


def build_commit(app: App, name: str, services: Sequence[str]) -> None:
    """Build what is missing of a commit's release, push it and record it."""
    project = app.project
    chosen = services or list(project.services)
    commit = app.commit(name)
    sha = app.sha(commit)
    tags = {service: project.repository(service).tag(sha) for service in chosen}
    with ThreadPoolExecutor(2) as aside:
        found = aside.submit(run_by_key, app.registry.digest, tags)
        left_out = aside.submit(lambda: name == "HEAD" and app.git.has_changes())
        record = app.ledger.read().release(sha)
    if left_out.result():
        app.report.note(f"uncommitted changes are left out: {sha} is built as it was committed")
    plan = plan_build(commit, sha, tags, record, found.result())
    app.carry_out(plan)
    if app.dry_run and plan.steps:
        return
    release = app.builds.recorded or record
    if release:
        app.report.table(
            ["service", "image", "digest"],
            [
                [service, str(image.tag(sha)), short(image.digest)]
                for service, image in release.services.items()
            ],
        )


def build_working_tree(app: App, services: Sequence[str]) -> None:
    """Build the folder as it is, for trying it out: loaded as ``:dev``, never pushed."""
    from buildonce.builder import Buildx

    chosen = services or list(app.project.services)
    tags = {service: str(app.project.repository(service).tag("dev")) for service in chosen}
    definition = bake.local_definition(app.project, app.root, tags)
    if app.dry_run:
        app.report.say(f"dry run: build {', '.join(tags.values())} from the working tree")
        app.report.json(definition)
        return
    with app.report.step(f"build {', '.join(chosen)} from the working tree"):
        Buildx().bake(definition, app.report.log)
    for tag in tags.values():
        app.report.say(f"loaded {tag}   (a local build: it cannot be promoted)")
