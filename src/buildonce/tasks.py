"""Invoke tasks: the command line. Errors become messages and exit codes here."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from invoke import Collection, Context, Exit, task

from buildonce.config.overrides import table_for_invoke, table_from_invoke
from buildonce.errors import (
    BuildonceError,
    StoppedError,
    TerminatedError,
    UsageError,
    refused_by_machine,
)

if TYPE_CHECKING:
    from buildonce.app import App

_DRY = {"dry-run": "Read the real state and print the steps; change nothing."}
_REASON = "The reason, recorded in the ledger."


def release_tasks(tasks_file: str) -> Collection:
    """Return the release tasks of the project that ``tasks_file`` belongs to.

    A project's ``tasks.py`` is::

        from buildonce.tasks import release_tasks

        namespace = release_tasks(__file__)

    The ``[tool.buildonce]`` table beside it becomes the collection's configuration, so that
    Invoke's own hierarchy (``invoke.yaml``, ``INVOKE_BUILDONCE_…``, ``-f FILE``) overrides it.
    """
    root = Path(tasks_file).resolve().parent
    collection = Collection(
        build, promote, resume, abort, rollback, verify, status, changes, images, history, report,
        bundle, prune, retire, bases, sha, init, doctor, schema,
    )  # fmt: skip
    collection.configure({"buildonce": table_for_invoke(root), "buildonce_root": str(root)})
    return collection


def _app(context: Context, *, dry_run: bool = False) -> App:
    from buildonce.app import App

    table = table_from_invoke(context.config["buildonce"])
    dry = dry_run or bool(context.config.run.dry)
    return App(Path(context.config["buildonce_root"]), table, dry_run=dry)


def _command(body: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(body)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with _signals():
                body(*args, **kwargs)
        except (BuildonceError, StoppedError) as error:
            _end(error)
        except OSError as error:
            _end(refused_by_machine(error))

    return run


def _end(error: BuildonceError | StoppedError) -> NoReturn:
    from buildonce.report.terminal import Reporter

    Reporter().error(error)
    raise Exit(code=error.exit_code)


@contextmanager
def _signals() -> Iterator[None]:
    def stop(number: int, _frame: object) -> None:
        error = TerminatedError if number == signal.SIGTERM else StoppedError
        raise error("interrupted")

    handlers = {kind: signal.signal(kind, stop) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for kind, handler in handlers.items():
            signal.signal(kind, handler)


@task(
    optional=["sha"],
    iterable=["service", "digest"],
    help={
        "sha": "Build this commit, push its images and record them; HEAD if no commit is given. "
        "Without --sha, the working tree is built as :dev and never pushed.",
        "service": "Only this service; can be repeated.",
        "digest": "SERVICE=sha256:…: the image of a service that is built elsewhere; default: what "
        "the commit's tag names; can be repeated.",
        "fresh": "Rebuild services whose inputs have an image already, without the layer cache; "
        "needs --reason.",
        "reason": _REASON,
        "details": "List every service; in a dry run, print what Buildx gets.",
        **_DRY,
    },
)  # fmt: skip
@_command
def build(
    context: Context,
    sha: str | None = None,
    service: list[str] | None = None,
    digest: list[str] | None = None,
    fresh: bool = False,
    reason: str = "",
    details: bool = False,
    dry_run: bool = False,
) -> None:
    """Build what changed in a commit once, push it and record all its images by digest."""
    from buildonce.commands.build import build_commit, build_working_tree

    app = _app(context, dry_run=dry_run)
    if fresh != bool(reason) or (fresh and sha is None):
        raise UsageError("--fresh needs --sha and --reason, and --reason needs --fresh")
    if digest and sha is None:
        raise UsageError("--digest needs --sha")
    if sha is None:
        build_working_tree(app, service or [])
    else:
        name = "HEAD" if cast(object, sha) is True else sha
        build_commit(app, name, service or [], digests=digest or [], fresh=reason, details=details)


@task(
    positional=["environment"],
    iterable=["override"],
    help={
        "environment": "Target environment.",
        "sha": "The commit whose release to promote. Default: what the environment named in "
        "`after` runs, or HEAD.",
        "reason": _REASON,
        "override": "Promote although this rule is broken (order, soak, freeze, branches, "
        "forward, repository); needs --reason; can be repeated.",
        "plan": "Write the plan to this file and change nothing.",
        "irreversible": "There is no way back from this release, for example because of a "
        "migration: if the deploy fails, do not put the previous release back.",
        "redeploy": "Deploy what the environment runs once more, with today's variables and "
        "secrets.",
        "apply": "Carry out the plan in this file; refuse if anything has changed since.",
        **_DRY,
    },
)
@_command
def promote(
    context: Context,
    environment: str,
    sha: str | None = None,
    reason: str = "",
    override: list[str] | None = None,
    irreversible: bool = False,
    redeploy: bool = False,
    plan: str | None = None,
    apply: str | None = None,
    dry_run: bool = False,
) -> None:
    """Make an environment run exactly this release. Nothing is built."""
    from buildonce.commands import promote as commands

    app = _app(context, dry_run=dry_run)
    if apply is not None:
        if sha or reason or override or irreversible or redeploy or plan:
            raise UsageError("--apply takes everything from the plan file: remove other options")
        commands.apply(app, environment, Path(apply))
    else:
        commands.promote(
            app, environment, sha, reason=reason, overrides=override or (),
            irreversible=irreversible, redeploy=redeploy, plan_to=Path(plan) if plan else None,
        )  # fmt: skip


@task(
    positional=["environment"],
    help={
        "environment": "The environment.",
        "to": "A release that the environment ran before. Default: the previous one.",
        "reason": "The reason, recorded in the ledger; the release rolled back from is blocked.",
        **_DRY,
    },
)
@_command
def rollback(
    context: Context,
    environment: str,
    to: str | None = None,
    reason: str = "",
    dry_run: bool = False,
) -> None:
    """Go back to a release that the environment ran before."""
    from buildonce.commands.rollback import rollback as go_back

    go_back(_app(context, dry_run=dry_run), environment, to, reason)


@task(positional=["environment"], help={"environment": "The environment.", **_DRY})
@_command
def resume(context: Context, environment: str, dry_run: bool = False) -> None:
    """Finish a promotion that was interrupted."""
    from buildonce.commands import recover

    recover.resume(_app(context, dry_run=dry_run), environment)


@task(
    positional=["environment"],
    help={"environment": "The environment.", "reason": _REASON, **_DRY},
)
@_command
def abort(context: Context, environment: str, reason: str = "", dry_run: bool = False) -> None:
    """Undo a promotion that was interrupted and put the previous release back."""
    from buildonce.commands import recover

    recover.abort(_app(context, dry_run=dry_run), environment, reason)


@task(
    iterable=["env"],
    help={
        "env": "Only this environment; can be repeated.",
        "each": "Compare each environment with its own record only, not with the others.",
        "details": "A line for each check of each service, with its digest.",
        "independent": "Have `docker buildx imagetools` read every manifest a second time.",
        "json": "Print JSON.",
    },
)
@_command
def verify(
    context: Context,
    env: list[str] | None = None,
    each: bool = False,
    details: bool = False,
    independent: bool = False,
    json: bool = False,
) -> None:
    """Prove that environments run what was built, and that they are identical."""
    from buildonce.commands.verify import verify as prove

    prove(
        _app(context), env or [], each=each, details=details, independent=independent,
        as_json=json,
    )  # fmt: skip


@task(
    help={
        "all": "A line for each service: its digest, pointer and containers.",
        "check": "End with exit 9 where an environment is out of sync or in progress. Without it, "
        "differences do not change the exit code.",
        "json": "Print JSON.",
        "watch": "Refresh it in place every few seconds, until Ctrl-C; where the output is no "
        "terminal, print it whenever it changes.",
    }
)
@_command
def status(
    context: Context,
    all: bool = False,  # noqa: A002  # the option's name
    check: bool = False,
    json: bool = False,
    watch: bool = False,
) -> None:
    """Show which release each environment runs, since when, and whether it is in sync."""
    from buildonce.commands.status import status as show
    from buildonce.commands.watch import watch as refresh

    app = _app(context)
    if not watch:
        show(app, as_json=json, every=all, check=check)
    elif json or check:
        raise UsageError("--watch shows tables: remove --json and --check")
    else:
        refresh(app.report, lambda: show(app, every=all))


@task(
    positional=["environment"],
    help={
        "environment": "The environment.",
        "sha": "The commit to compare with. Default: what would be promoted.",
        "format": "table, json or markdown (for the summary of a CI run).",
        "json": "Print JSON.",
    },
)
@_command
def changes(
    context: Context,
    environment: str,
    sha: str | None = None,
    format: str = "table",  # noqa: A002 (the option's name)
    json: bool = False,
) -> None:
    """Show the commits that a promotion would ship or revert, by service."""
    from buildonce.commands.changes import changes as show

    show(_app(context), environment, sha, form="json" if json else format)


@task(
    positional=["name"],
    help={
        "name": "An environment, for what it runs, or a commit.",
        "format": "kustomize, helm, env or json.",
    },
)
@_command
def images(context: Context, name: str, format: str = "json") -> None:  # noqa: A002
    """Print a release's images by digest, for those who deploy with something else."""
    from buildonce.commands.images import images as show

    show(_app(context), name, format)


@task(
    positional=["name"],
    help={
        "name": "The commit whose release to write; with --load, the file to load.",
        "output": "The file to write.",
        "since": "Leave out the blobs that this commit's release has.",
        "load": "Bring the release of a file into the registry and the ledger.",
        **_DRY,
    },
)
@_command
def bundle(
    context: Context,
    name: str,
    output: str | None = None,
    since: str | None = None,
    load: bool = False,
    dry_run: bool = False,
) -> None:
    """Write a release into one file, or load one: for where there is no network."""
    from buildonce.commands import bundle as commands

    app = _app(context, dry_run=dry_run)
    if load and not (output or since):
        commands.load(app, Path(name))
    elif output and not load:
        commands.save(app, name, Path(output), since)
    else:
        raise UsageError(
            "bundle writes a file or loads one",
            hint="inv bundle SHA --output FILE, or: inv bundle --load FILE",
        )


@task(help={"output": "The folder to write index.html into."})
@_command
def report(context: Context, output: str = "report") -> None:
    """Write one HTML page: what runs where, what happened, what is next, delivery metrics."""
    from buildonce.commands.report import report as write

    write(_app(context), Path(output))


@task(
    positional=["environment"],
    help={
        "environment": "The environment.",
        "number": "How many promotions to show.",
        "json": "Print JSON.",
    },
)
@_command
def history(context: Context, environment: str, number: str = "20", json: bool = False) -> None:
    """Show the promotions of an environment: who, when, why and how each ended."""
    from buildonce.commands.history import history as show

    if not number.isdecimal():
        raise UsageError(f"--number {number}: must be a whole number, 1 or more")
    show(_app(context), environment, int(number), as_json=json)


@task(help=_DRY)
@_command
def prune(context: Context, dry_run: bool = False) -> None:
    """Remove the tags and records of old releases that are no longer needed."""
    from buildonce.commands.prune import prune as remove

    remove(_app(context, dry_run=dry_run))


@task(
    positional=["environment"],
    help={
        "environment": "An environment that is no longer configured.",
        "reason": _REASON,
        **_DRY,
    },
)
@_command
def retire(context: Context, environment: str, reason: str = "", dry_run: bool = False) -> None:
    """Remove an environment from the ledger; prune no longer keeps its releases then."""
    from buildonce.commands.retire import retire as forget

    forget(_app(context, dry_run=dry_run), environment, reason)


@task(
    help={"update": "Pin each to the digest that its tag has now, in pyproject.toml.", **_DRY},
)
@_command
def bases(context: Context, update: bool = False, dry_run: bool = False) -> None:
    """List the base images of the Dockerfiles: where, and whether they are pinned."""
    from buildonce.commands.bases import show

    show(_app(context, dry_run=dry_run), update=update)


@task(help={"sha": "The commit. Default: HEAD."})
@_command
def sha(context: Context, sha: str = "HEAD") -> None:
    """Print the tag of a commit, and set the output `sha` in a CI workflow."""
    from buildonce.commands.sha import show_sha

    show_sha(_app(context), sha)


@task(help={"yes": "Write the files without asking."})
@_command
def init(context: Context, yes: bool = False) -> None:
    """Propose the configuration of this repository, from what is in it."""
    from buildonce.commands.init import init as run
    from buildonce.report.terminal import Reporter

    run(Path(context.config["buildonce_root"]), yes=yes, report=Reporter())


@task(help={"json": "Print JSON."})
@_command
def doctor(context: Context, json: bool = False) -> None:
    """Check everything that a release needs, before anything is built."""
    from buildonce.commands.doctor import examine

    examine(_app(context), as_json=json)


@task
@_command
def schema(_context: Context) -> None:
    """Print the JSON Schema of [tool.buildonce], for editors."""
    import json

    from buildonce.config import Project

    print(json.dumps(Project.model_json_schema(), indent=2))
