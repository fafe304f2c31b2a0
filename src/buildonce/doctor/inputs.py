"""Each service's inputs: whether they are what its build reads. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from buildonce.adopt import contexts
from buildonce.adopt.survey import Survey
from buildonce.build.inputs import is_within
from buildonce.config import Project
from buildonce.doctor.findings import Finding


def examine(project: Project, tree: Survey) -> Iterator[Finding]:
    """Give the services whose inputs are wider or narrower than what their builds read."""
    for name in project.built:
        if project.dockerfile(name) in tree.files and tree.has(project.service(name).context):
            yield from _service(project, tree, name)


def _service(project: Project, tree: Survey, name: str) -> Iterator[Finding]:
    service, dockerfile = project.service(name), project.dockerfile(name)
    read = contexts.inputs(tree, service.context, dockerfile)
    if service.inputs:
        there = [path for path in read if tree.has(path)]
        yield from _narrow(name, dockerfile, service.inputs, there)
        if read and not contexts.has_variables(tree.text(dockerfile)):
            yield from _wide(name, dockerfile, service.inputs, read)
    elif service.context == "." and len(project.services) > 1:
        yield Finding(
            f"service {name}",
            f"names no inputs, so it depends on all {len(tree.files)} files of the repository",
            "warning",
            "every commit rebuilds it, and restarts it wherever it is promoted",
            f"services.{name}: inputs = {_listed(read or [name])}",
        )


def _narrow(
    name: str, dockerfile: str, declared: Sequence[str], read: Sequence[str]
) -> Iterator[Finding]:
    for path in read:
        if not any(is_within(path, one) or is_within(one, path) for one in declared):
            yield Finding(
                f"service {name}", f"{dockerfile} copies {path}, which is none of its inputs",
                "problem", f"inv build fails for {name}: its build does not see it",
                f"services.{name}: inputs = {_listed([*declared, path])}",
            )  # fmt: skip


def _wide(
    name: str, dockerfile: str, declared: Sequence[str], read: Sequence[str]
) -> Iterator[Finding]:
    """Give the inputs that nothing copies."""
    for path in declared:
        used = any(is_within(path, one) or is_within(one, path) for one in read)
        if not used and not is_within(dockerfile, path):
            kept = [one for one in declared if one != path]
            yield Finding(
                f"service {name}",
                f"{path} is one of its inputs, and {dockerfile} copies none of it",
                "warning", "each change there rebuilds it, and restarts it",
                f"services.{name}: inputs = {_listed(kept)}",
            )  # fmt: skip


def _listed(paths: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{path}"' for path in paths) + "]"
