"""What Invoke is given as the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from invoke import Collection, Config, Context

from buildonce.config import parse
from buildonce.config.overrides import table_from_invoke
from buildonce.errors import UsageError
from buildonce.tasks import _app, release_tasks


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
