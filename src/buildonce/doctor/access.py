"""The clone, and the rights on the git remote and on the registry."""

from __future__ import annotations

from collections.abc import Iterator

from buildonce.app import App
from buildonce.doctor.findings import Finding, of_error
from buildonce.errors import BuildonceError
from buildonce.git.process import complaint
from buildonce.parallel import run_all
from buildonce.refs import Repository

_PUSH = ("push", "--dry-run", "--no-verify", "--quiet", "--no-signed", "--recurse-submodules=no")


def configuration(app: App) -> Iterator[Finding]:
    """See that the configuration can be used."""
    project = app.project
    count = len(project.services)
    yield Finding("configuration", f"{count} services, {project.registry}")


def commit(app: App) -> Iterator[Finding]:
    """See that there is a commit to build, and whether the folder has more than it."""
    head = app.commit()
    yield Finding("git", f"HEAD is {app.sha(head)} {head.subject}")
    if app.git.has_changes():
        yield Finding(
            "git", "the folder differs from HEAD", "warning",
            "inv build --sha builds the commit: what is not committed is left out",
            "git add and git commit what belongs to the release",
        )  # fmt: skip


def clone(app: App) -> Iterator[Finding]:
    """See whether history is cut off."""
    if not app.git.is_shallow():
        yield Finding("clone", "full history")
        return
    yield Finding(
        "clone", "shallow: enough to build", "warning",
        "inv changes sees less history, and the rules forward and branches cannot be checked",
        "git fetch --unshallow; in GitHub Actions: fetch-depth: 0",
    )  # fmt: skip


def ledger(app: App) -> Iterator[Finding]:
    """See that the ledger can be read, and its branch pushed."""
    snapshot = app.ledger.read()
    remote, branch = app.project.ledger_remote, app.project.ledger_branch
    if not app.git.has_remote(remote):
        yield Finding(
            "ledger", f"local branch {branch}; no remote {remote!r}", "warning",
            "nobody else sees the ledger, and only this machine's environments can be promoted to",
            f"git remote add {remote} ADDRESS",
        )  # fmt: skip
        return
    pushed = app.git.attempt_at(remote, *_PUSH, remote, f"HEAD:refs/heads/{branch}-x")
    if pushed.returncode == 0:
        where = (snapshot.commit or "nothing yet")[:12]
        yield Finding("ledger", f"{remote}/{branch} at {where}")
        return
    yield Finding(
        "ledger", f"{remote} refuses a push: {complaint(pushed)}", "problem",
        "nothing can be recorded, so nothing is built or promoted",
        "get the right to push there; in GitHub Actions: contents: write",
    )  # fmt: skip


def registry(app: App) -> Iterator[Finding]:
    """See that each service's images can be pushed; the same refusal is told once."""
    project = app.project
    own = [name for name in project.environments if project.has_own_registry(name)]
    places = list(
        dict.fromkeys(
            project.place_of(service, name) for name in ("", *own) for service in project.services
        )
    )
    refusals = run_all(lambda place: _refusal(app, place), places)
    cost = "no image can be pushed there"
    told = {error.message: of_error("registry", error, cost) for error in refusals if error}
    yield from told.values()
    if not told:
        hosts = ", ".join(dict.fromkeys(place.registry for place in places))
        yield Finding("registry", f"{hosts} is reachable and accepts pushes")


def _refusal(app: App, repository: Repository) -> BuildonceError | None:
    try:
        app.registry.require_writable(repository)
    except BuildonceError as error:
        return error
    return None
