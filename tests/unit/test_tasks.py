"""What Invoke is given as the configuration, what commands are given, and how they end."""

from __future__ import annotations

import errno
import importlib
import inspect
import json
import shlex
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from invoke import Collection, Config, Context, Program

from buildonce.config import parse
from buildonce.config.overrides import table_from_invoke
from buildonce.errors import BusyError, UsageError
from buildonce.tasks import _app, release_tasks

PROJECT = """\
[tool.buildonce]
registry = "ghcr.io/acme"
[tool.buildonce.services.web]
[tool.buildonce.environments]
staging = {}
production = {}
"""


@pytest.fixture(autouse=True)
def own_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give tasks copies: Invoke takes help texts out of those that it reads a command line for."""
    for task in release_tasks("tasks.py").tasks.values():
        monkeypatch.setattr(task, "help", dict(task.help))


def context(folder: Path, table: str) -> Context:
    """What a task is called with, after Invoke has looked for each key's variable."""
    (folder / "pyproject.toml").write_text(f"[tool.buildonce]\n{table}\n")
    config = Config(defaults=release_tasks(str(folder / "tasks.py")).configuration())
    config.load_shell_env()
    return Context(config)


@pytest.mark.parametrize(
    ("table", "first", "second"),
    [
        (
            'services.api.args = {HTTP_PROXY = "a", http_proxy = "b"}',
            "services.api.args.HTTP_PROXY",
            "services.api.args.http_proxy",
        ),
        (
            'environments.live.variables = {a = "1", A = "2"}',
            "environments.live.variables.a",
            "environments.live.variables.A",
        ),
        ("Cache = true", "cache", "Cache"),
    ],
)
def test_keys_that_differ_only_in_case_are_told(
    tmp_path: Path, table: str, first: str, second: str
) -> None:
    """Invoke cannot tell their variables apart: both paths are named, without a traceback."""
    with pytest.raises(UsageError) as caught:
        _app(context(tmp_path, table))
    assert f"tool.buildonce.{first} and tool.buildonce.{second} conflict" in caught.value.message
    assert "Docker defines the proxy arguments" in caught.value.hint


def test_keys_that_differ_are_taken(tmp_path: Path) -> None:
    """The same key in two tables is no conflict."""
    table = 'services = {api = {args = {A = "1"}}, web = {args = {A = "1", B = "2"}}}'
    assert "_unreadable" not in context(tmp_path, table).config["buildonce"]


@pytest.mark.parametrize("text", ["false", "no", "0"])
def test_a_variable_says_no(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What means no is no, by a default and by the table's own key."""
    table = 'registry = "ghcr.io/acme"\nreuse = true\n[tool.buildonce.services.api]'
    for name in ("REUSE", "CACHE", "INSECURE"):
        monkeypatch.setenv(f"INVOKE_BUILDONCE_{name}", text)
    project = parse(table_from_invoke(context(tmp_path, table).config["buildonce"]))
    assert (project.reuse, project.cache, project.insecure) == (False, False, False)


@pytest.mark.parametrize("name", ["CACHE", "SHA_LENGTH"])
def test_a_variable_says_nonsense(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told with its path, as any other wrong value is."""
    monkeypatch.setenv(f"INVOKE_BUILDONCE_{name}", "perhaps")
    table = 'registry = "ghcr.io/acme"\n[tool.buildonce.services.api]'
    with pytest.raises(UsageError, match=f"tool.buildonce.{name.lower()} = 'perhaps'"):
        parse(table_from_invoke(context(tmp_path, table).config["buildonce"]))


def test_the_tasks_work_below_a_name_of_their_own(tmp_path: Path) -> None:
    """A project with tasks of its own adds these to its namespace; the table comes along."""
    (tmp_path / "pyproject.toml").write_text('[tool.buildonce]\nregistry = "ghcr.io/acme"\n')
    namespace = Collection()
    namespace.add_collection(release_tasks(str(tmp_path / "tasks.py")), "release")
    settings = namespace.configuration("release.build")
    assert settings["buildonce"]["registry"] == "ghcr.io/acme"


def inv(folder: Path, line: str) -> int:
    """The exit code of a command line in a project of one service and two environments."""
    (folder / "pyproject.toml").write_text(PROJECT)
    program = Program(namespace=release_tasks(str(folder / "tasks.py")))
    try:
        program.run(["inv", *shlex.split(line)])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@dataclass
class Command:
    """Stands in for a command: keeps what it is called with, by the names of its parameters."""

    signature: inspect.Signature
    given: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def in_place_of(cls, path: str, monkeypatch: pytest.MonkeyPatch) -> Command:
        module, _, name = path.rpartition(".")
        function = getattr(importlib.import_module(f"buildonce.commands.{module}"), name)
        command = cls(inspect.signature(function))
        monkeypatch.setattr(f"buildonce.commands.{path}", command)
        return command

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        assert not self.given, "the command was called twice"
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        app = bound.arguments.pop("app", None)
        self.given = {**bound.arguments, "dry": app.dry_run} if app else dict(bound.arguments)


BUILD = {"name": "HEAD", "services": [], "digests": [], "fresh": "", "details": False, "dry": False}
PROMOTE = {
    "environment": "staging", "name": None, "reason": "", "overrides": (), "irreversible": False,
    "redeploy": False, "plan_to": None, "dry": False,
}  # fmt: skip
VERIFY = {
    "environments": [], "as_json": False, "each": False, "details": False, "independent": False,
    "dry": False,
}  # fmt: skip
STATUS = {"as_json": False, "every": False, "check": False, "dry": False}
CHANGES = {"environment": "staging", "name": None, "form": "table", "dry": False}
SAVE = {"name": "HEAD", "output": Path("x.tar"), "since": None, "dry": False}
LOAD = {"path": Path("x.tar"), "dry": False}
HISTORY = {"environment": "staging", "count": 20, "as_json": False, "dry": False}


@pytest.mark.parametrize(
    ("line", "command", "given"),
    [
        ("build", "build.build_working_tree", {"services": [], "dry": False}),
        (
            "build --service=web --dry-run",
            "build.build_working_tree",
            {"services": ["web"], "dry": True},
        ),
        ("--dry build", "build.build_working_tree", {"services": [], "dry": True}),
        ("build --sha", "build.build_commit", BUILD),
        (
            "build --sha=abc --service=web --digest=web=sha256:1 --details --dry-run",
            "build.build_commit",
            {**BUILD, "name": "abc", "services": ["web"], "digests": ["web=sha256:1"]}
            | {"details": True, "dry": True},
        ),
        (
            "build --sha --fresh --reason=why",
            "build.build_commit",
            {**BUILD, "fresh": "why"},
        ),
        ("promote staging", "promote.promote", PROMOTE),
        (
            "promote staging --sha=abc --reason=why --override=soak --override=order --dry-run",
            "promote.promote",
            {**PROMOTE, "name": "abc", "reason": "why", "overrides": ["soak", "order"]}
            | {"dry": True},
        ),
        ("promote staging --irreversible", "promote.promote", {**PROMOTE, "irreversible": True}),
        ("promote staging --redeploy", "promote.promote", {**PROMOTE, "redeploy": True}),
        ("promote staging --plan=p", "promote.promote", {**PROMOTE, "plan_to": Path("p")}),
        (
            "promote staging --apply=plan.json",
            "promote.apply",
            {"environment": "staging", "path": Path("plan.json"), "dry": False},
        ),
        (
            "rollback staging",
            "rollback.rollback",
            {"environment": "staging", "name": None, "reason": "", "dry": False},
        ),
        (
            "rollback staging --to=abc --reason=why --dry-run",
            "rollback.rollback",
            {"environment": "staging", "name": "abc", "reason": "why", "dry": True},
        ),
        ("resume staging", "recover.resume", {"environment": "staging", "dry": False}),
        ("resume staging --dry-run", "recover.resume", {"environment": "staging", "dry": True}),
        (
            "abort staging",
            "recover.abort",
            {"environment": "staging", "reason": "", "dry": False},
        ),
        (
            "abort staging --reason=why --dry-run",
            "recover.abort",
            {"environment": "staging", "reason": "why", "dry": True},
        ),
        ("verify", "verify.verify", VERIFY),
        (
            "verify --env=staging --env=production",
            "verify.verify",
            {**VERIFY, "environments": ["staging", "production"]},
        ),
        ("verify --each", "verify.verify", {**VERIFY, "each": True}),
        ("verify --details", "verify.verify", {**VERIFY, "details": True}),
        ("verify --independent", "verify.verify", {**VERIFY, "independent": True}),
        ("verify --json", "verify.verify", {**VERIFY, "as_json": True}),
        ("status", "status.status", STATUS),
        ("status --all", "status.status", {**STATUS, "every": True}),
        ("status --check", "status.status", {**STATUS, "check": True}),
        ("status --json", "status.status", {**STATUS, "as_json": True}),
        ("changes staging", "changes.changes", CHANGES),
        ("changes staging --sha=abc", "changes.changes", {**CHANGES, "name": "abc"}),
        ("changes staging --format=markdown", "changes.changes", {**CHANGES, "form": "markdown"}),
        ("changes staging --json", "changes.changes", {**CHANGES, "form": "json"}),
        ("images staging", "images.images", {"name": "staging", "form": "json", "dry": False}),
        (
            "images staging --format=helm",
            "images.images",
            {"name": "staging", "form": "helm", "dry": False},
        ),
        ("bundle HEAD --output=x.tar", "bundle.save", SAVE),
        (
            "bundle HEAD --output=x.tar --since=abc --dry-run",
            "bundle.save",
            {**SAVE, "since": "abc", "dry": True},
        ),
        ("bundle x.tar --load", "bundle.load", LOAD),
        ("bundle x.tar --load --dry-run", "bundle.load", {**LOAD, "dry": True}),
        ("report", "report.report", {"folder": Path("report"), "dry": False}),
        ("report --output=site", "report.report", {"folder": Path("site"), "dry": False}),
        ("history staging", "history.history", HISTORY),
        (
            "history staging --number=3 --json",
            "history.history",
            {**HISTORY, "count": 3, "as_json": True},
        ),
        ("prune", "prune.prune", {"dry": False}),
        ("prune --dry-run", "prune.prune", {"dry": True}),
        (
            "retire old",
            "retire.retire",
            {"environment": "old", "reason": "", "dry": False},
        ),
        (
            "retire old --reason=why --dry-run",
            "retire.retire",
            {"environment": "old", "reason": "why", "dry": True},
        ),
        ("bases", "bases.show", {"update": False, "dry": False}),
        ("bases --update --dry-run", "bases.show", {"update": True, "dry": True}),
        ("sha", "sha.show_sha", {"name": "HEAD", "dry": False}),
        ("sha --sha=abc", "sha.show_sha", {"name": "abc", "dry": False}),
        ("doctor", "doctor.examine", {"as_json": False, "dry": False}),
        ("doctor --json", "doctor.examine", {"as_json": True, "dry": False}),
    ],
)
def test_a_command_gets_what_the_line_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, command: str, given: dict[str, Any]
) -> None:
    """Each option, and what its absence means, reaches the command that does it, once."""
    called = Command.in_place_of(command, monkeypatch)
    assert inv(tmp_path, line) == 0
    assert called.given == given


@pytest.mark.parametrize(("line", "yes"), [("init", False), ("init --yes", True)])
def test_init_works_in_the_folder_of_the_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, yes: bool
) -> None:
    """It asks before it writes, unless it is told not to, and needs no configuration."""
    called = Command.in_place_of("init.init", monkeypatch)
    assert inv(tmp_path, line) == 0
    assert (called.given["root"], called.given["yes"]) == (tmp_path, yes)


@pytest.mark.parametrize(("line", "every"), [("status -w", False), ("status -w --all", True)])
def test_a_watched_status_is_drawn_by_the_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, every: bool
) -> None:
    """With `--watch`, the tables are what is drawn again and again."""
    called = Command.in_place_of("status.status", monkeypatch)
    monkeypatch.setattr("buildonce.commands.watch.watch", lambda _report, draw: draw())
    assert inv(tmp_path, line) == 0
    assert called.given == {**STATUS, "every": every}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("build --sha --fresh", "--fresh needs --sha and --reason"),
        ("build --sha --reason=why", "--reason needs --fresh"),
        ("build --fresh --reason=why", "--fresh needs --sha"),
        ("build --digest=web=sha256:1", "--digest needs --sha"),
        *[
            (f"promote staging --apply=plan.json {option}", "--apply takes everything")
            for option in (
                "--sha=abc", "--reason=why", "--override=soak", "--irreversible", "--redeploy",
                "--plan=other.json",
            )
        ],
        ("status --watch --json", "--watch shows tables: remove --json and --check"),
        ("status --watch --check", "--watch shows tables: remove --json and --check"),
        ("bundle HEAD", "inv bundle SHA --output FILE, or: inv bundle --load FILE"),
        ("bundle x.tar --load --output=y.tar", "bundle writes a file or loads one"),
        ("bundle x.tar --load --since=abc", "bundle writes a file or loads one"),
        ("history staging --number=many", "--number many: must be a whole number, 1 or more"),
    ],
)  # fmt: skip
def test_options_that_do_not_go_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    """They end with 2 and what goes together, before anything is looked at."""
    assert inv(tmp_path, line) == 2
    assert said in capsys.readouterr().err


def refuse() -> None:
    raise BusyError("staging is locked", hint="inv status")


def fill_the_disk() -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "/var/ledger")


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def end() -> None:
    signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    ("happens", "code", "said"),
    [
        (refuse, 4, "✗ staging is locked\n  → inv status\n"),
        (
            fill_the_disk,
            6,
            "✗ the operating system refused: No space left on device (/var/ledger)\n",
        ),
        (interrupt, 130, "✗ interrupted\n"),
        (end, 143, "✗ interrupted\n"),
    ],
)
def test_an_error_is_a_message_and_an_exit_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    happens: Callable[[], None],
    code: int,
    said: str,
) -> None:
    """What stops a command, a signal as well, is told without a traceback."""
    monkeypatch.setattr("buildonce.commands.prune.prune", lambda _app: happens())
    handlers = [signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)]
    assert inv(tmp_path, "prune") == code
    assert capsys.readouterr().err.startswith(said)
    assert [signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_the_schema_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is the JSON Schema of the table, with the keys that a table may have."""
    assert inv(tmp_path, "schema") == 0
    assert {"registry", "services"} <= json.loads(capsys.readouterr().out)["properties"].keys()
