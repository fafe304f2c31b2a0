"""The inputs of services in a commit, and what was built of them before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from buildonce.app import App
from buildonce.build import pins
from buildonce.build.inputs import Inputs, inputs_of
from buildonce.build.pins import Pins
from buildonce.git import trees
from buildonce.git.repository import Commit
from buildonce.git.trees import Tree
from buildonce.ledger.records.release import Release
from buildonce.ledger.snapshot import Snapshot, image_path
from buildonce.parallel import run_by_key
from buildonce.plan.building import NEVER_BUILT, NOT_REUSED, Candidate, why_built
from buildonce.refs import ImageRef

_LOOK_BACK = 200
"""How many commits are searched for one that was built, to say what changed since."""


def candidates(
    app: App, snapshot: Snapshot, commit: Commit, tags: Mapping[str, ImageRef]
) -> dict[str, Candidate]:
    """Return what is known of services in a commit whose release lacks them.

    Raises:
        PreconditionError: a path or an image that a service needs is not there.
        UsageError: a key of ``bases`` stands for no image.
    """
    if not tags:
        return {}
    with ThreadPoolExecutor(1) as aside:
        reading = aside.submit(trees.read, app.git, commit.revision)
        pinned = _pins(app, commit, tags)
        tree = reading.result()
    inputs = {
        name: inputs_of(app.project, name, tree, pinned[name], commit.revision) for name in tags
    }
    snapshot.load(*(image_path(name, one.identity) for name, one in inputs.items()))
    records = {name: snapshot.image(name, one.identity) for name, one in inputs.items()}
    known = {name: record.ref for name, record in records.items() if record}
    manifests = run_by_key(app.registry.manifest, known)
    new = {name: one for name, one in inputs.items() if name not in known}
    reasons = _reasons(app, snapshot, commit, tree, new)
    return {
        name: Candidate(
            tag, inputs[name], records[name], manifests.get(name), reasons.get(name, "")
        )
        for name, tag in tags.items()
    }


def _pins(app: App, commit: Commit, services: Collection[str]) -> dict[str, Pins]:
    """Return what services take from outside, by the Dockerfiles of a commit."""
    project = app.project

    def read(paths: Sequence[str]) -> list[bytes | None]:
        return app.git.files(commit.revision, paths)

    found = pins.find(project, services, read)
    if pins.unused(project.bases, found):
        pins.require_used(project.bases, pins.find(project, project.built, read))
    return pins.pin(project, found, app.registry.digest)


def _reasons(
    app: App, snapshot: Snapshot, commit: Commit, tree: Tree, new: Mapping[str, Inputs]
) -> dict[str, str]:
    """Return why each of these inputs has no image yet: what changed since the last release."""
    if not app.project.reuse:
        return dict.fromkeys(new, NOT_REUSED)
    last = _last_release(app, snapshot, commit) if new else None
    if last is None:
        return dict.fromkeys(new, NEVER_BUILT)
    before = trees.read(app.git, last.revision)
    images = {name: last.services[name] for name in new if name in last.services}
    snapshot.load(*(image_path(name, image.identity) for name, image in images.items()))
    return {
        name: why_built(
            inputs,
            snapshot.image(name, images[name].identity) if name in images else None,
            len(tree.changed(before, inputs.content)),
            last.sha,
        )
        for name, inputs in new.items()
    }


def _last_release(app: App, snapshot: Snapshot, commit: Commit) -> Release | None:
    """Return the release of the nearest commit before this one that has any."""
    built = set(snapshot.names("releases"))
    for revision in app.git.ancestors(commit.revision, _LOOK_BACK) if built else ():
        if revision[: app.project.sha_length] in built:
            return snapshot.release(revision[: app.project.sha_length])
    return None
