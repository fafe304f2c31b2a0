"""Each service's Dockerfile and context, in the commit that would be built: pure, but for git."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from buildonce.adopt.contexts import fitting, lacking, sources
from buildonce.adopt.survey import Survey, below
from buildonce.app import App
from buildonce.build import secrets
from buildonce.build.dockerfile import Images, images_of_all, mounted
from buildonce.build.pins import stand_in
from buildonce.config import Project
from buildonce.doctor import inputs
from buildonce.doctor.findings import Finding
from buildonce.errors import PreconditionError

_NOT_BUILT = "inv build fails for {}"


def services(app: App) -> Iterator[Finding]:
    """See that every service can be built from HEAD."""
    tree = committed(app)
    yield from examine(app.project, tree)
    yield from inputs.examine(app.project, tree)


def committed(app: App) -> Survey:
    """Return what HEAD has, with the text of each service's Dockerfile."""
    listed = app.git.text("ls-tree", "-r", "-z", "--name-only", "HEAD")
    files = tuple(path for path in listed.split("\0") if path)
    paths = {app.project.dockerfile(name) for name in app.project.built} & {*files}
    contents = app.git.blobs([f"HEAD:./{path}" for path in sorted(paths)])
    texts = {
        path: (content or b"").decode(errors="replace")
        for path, content in zip(sorted(paths), contents, strict=True)
    }
    return Survey(app.root, files, texts=texts)


def examine(project: Project, tree: Survey) -> Iterator[Finding]:
    """Give what is wrong with the services' sources, or one line that nothing is."""
    problems = [finding for name in project.built for finding in _service(project, tree, name)]
    yield from problems
    if not problems:
        yield Finding("sources", "every Dockerfile, context and COPY source is in the commit")
    yield from _unpinned(project, tree)


def _service(project: Project, tree: Survey, name: str) -> Iterator[Finding]:
    subject, cost = f"service {name}", _NOT_BUILT.format(name)
    dockerfile, context = project.dockerfile(name), project.service(name).context
    if not tree.has(context):
        yield Finding(
            subject, f"the context {context} is not in the commit", "problem", cost,
            _commit_or_correct(tree, context, f"services.{name}.context"),
        )  # fmt: skip
    elif dockerfile not in tree.files:
        yield Finding(
            subject, f"{dockerfile} is not in the commit", "problem", cost,
            _commit_or_correct(tree, dockerfile, f"services.{name}.dockerfile"),
        )  # fmt: skip
    else:
        missing = lacking(tree, context, sources(tree.text(dockerfile))).missing
        for source in missing:
            yield Finding(
                subject, f"{dockerfile} copies {source}, which {_place(context)} does not have",
                "problem", cost, _reach(tree, name, dockerfile, below(context, source)),
            )  # fmt: skip
        yield from _stage(project, tree, name)
        yield from _secrets(project, tree, name)


def _stage(project: Project, tree: Survey, name: str) -> Iterator[Finding]:
    service, dockerfile = project.service(name), project.dockerfile(name)
    try:
        images_of_all(tree.text(dockerfile), service.target, service.args, project.platforms)
    except PreconditionError as error:
        yield Finding(
            f"service {name}", f"{dockerfile}: {error.message}", "problem",
            _NOT_BUILT.format(name), f"correct {dockerfile}, or services.{name}.target",
        )  # fmt: skip


def _secrets(project: Project, tree: Survey, name: str) -> Iterator[Finding]:
    """Give the secrets that a build would lack, and those that no RUN mounts."""
    service, dockerfile = project.service(name), project.dockerfile(name)
    subject, text = f"service {name}", tree.text(dockerfile)
    for problem in secrets.lacking(service):
        yield Finding(
            subject, problem, "warning", f"{_NOT_BUILT.format(name)} on this machine",
            "set the variable, or put the file there",
        )  # fmt: skip
    given = {"secret": [*service.secrets], "ssh": [ssh.partition("=")[0] for ssh in service.ssh]}
    for kind, names in given.items():
        key = f"services.{name}.{'secrets' if kind == 'secret' else 'ssh'}"
        used = mounted(text, kind)
        for unknown in (one for one in used if one not in names):
            yield Finding(
                subject, f"{dockerfile} mounts {kind} {unknown}, which {key} does not have",
                "warning", "the build goes without it, or fails", f"add {unknown} to {key}",
            )  # fmt: skip
        for idle in (one for one in names if one not in used):
            yield Finding(
                subject, f"{key} has {idle}, and no RUN of {dockerfile} mounts it",
                "warning", "the build does not see it", f"remove it, or mount it: "
                f"RUN --mount=type={kind},id={idle}",
            )  # fmt: skip


def _commit_or_correct(tree: Survey, path: str, key: str) -> str:
    if (tree.root / path).exists():
        return f"git add {path}, and commit"
    return f"correct {key}, or add {path} and commit it"


def _reach(tree: Survey, name: str, dockerfile: str, path: str) -> str:
    """Return what puts a source within reach: another context, or a commit."""
    better = fitting(tree, dockerfile)
    if not better.missing:
        return f'services.{name}: context = "{better.folder}"'
    if (tree.root / path).exists():
        return f"git add {path}, and commit; or make it in the Dockerfile"
    return f"correct the path in {dockerfile}, or make it in the Dockerfile"


def _place(context: str) -> str:
    return "the repository" if context == "." else f"the context {context}"


@dataclass(frozen=True)
class Use:
    """An image of others, and the services that are made from it."""

    image: str
    services: list[str] = field(default_factory=list)


def uses(project: Project, tree: Survey) -> list[Use]:
    """Return the outside images that services are made from, each once."""
    found: dict[str, Use] = {}
    for name in project.built:
        images = images_of(project, tree, name)
        for image in images.all if images else ():
            found.setdefault(image, Use(image)).services.append(name)
    return list(found.values())


def _unpinned(project: Project, tree: Survey) -> Iterator[Finding]:
    """Give the outside images that a service is made from by a tag."""
    for use in uses(project, tree):
        if "@sha256:" in stand_in(project.bases, use.image):
            continue
        yield Finding(
            f"image {use.image}", f"a tag, in {', '.join(dict.fromkeys(use.services))}",
            "warning", "whoever pushes that tag changes what the next build is made from",
            "inv bases --update pins it, in [tool.buildonce.bases]; or write it with its digest",
        )  # fmt: skip


def images_of(project: Project, tree: Survey, name: str) -> Images | None:
    """Return what a service's build takes from outside; None where that cannot be told."""
    dockerfile, service = project.dockerfile(name), project.service(name)
    if dockerfile not in tree.files:
        return None
    try:
        return images_of_all(tree.text(dockerfile), service.target, service.args, project.platforms)
    except PreconditionError:
        return None
