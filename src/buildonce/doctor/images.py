"""The images that Dockerfiles take from outside: whether their registries have them."""

from __future__ import annotations

from collections.abc import Iterator

from buildonce.app import App
from buildonce.build.pins import stand_in, unused
from buildonce.config import Project
from buildonce.doctor.findings import Finding, of_error
from buildonce.doctor.sources import Use, committed, images_of, uses
from buildonce.errors import BuildonceError
from buildonce.parallel import run_all
from buildonce.refs import ImageRef


def examine(app: App) -> Iterator[Finding]:
    """See that every image that a build takes from outside can be had."""
    tree = committed(app)
    wanted = uses(app.project, tree)
    problems = [one for one in run_all(lambda use: _problem(app, use), wanted) if one]
    yield from problems
    if wanted and not problems:
        yield Finding("images", f"{len(wanted)} taken from outside: their registries have them")
    found = {name: images_of(app.project, tree, name) for name in app.project.built}
    for key in unused(app.project.bases, {name: one for name, one in found.items() if one}):
        yield Finding(
            "bases", f"no Dockerfile uses {key!r}", "problem", "inv build fails",
            "inv bases lists the images that Dockerfiles use; correct the key, or remove it",
        )  # fmt: skip


def _problem(app: App, use: Use) -> Finding | None:
    subject = f"image {use.image}"
    cost = f"inv build fails for {', '.join(dict.fromkeys(use.services))}"
    try:
        ref = ImageRef.parse(stand_in(app.project.bases, use.image))
        if app.registry.digest(ref) is not None:
            return None
    except BuildonceError as error:
        return of_error(subject, error, cost)
    return Finding(subject, f"{ref} is not in its registry", "problem", cost, _remedy(app.project))


def _remedy(project: Project) -> str:
    return (
        "push it there, or name another one in [tool.buildonce.bases]; a base image that this "
        f"repository makes itself is built and pushed by hand, to {project.registry} for example"
    )
