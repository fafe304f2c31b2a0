"""What will ship, and who put what where."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from buildonce.app import App
from buildonce.commands.changes import changes
from buildonce.commands.history import history
from buildonce.commands.promote import promote
from buildonce.commands.recover import abort, resume
from buildonce.commands.rollback import rollback
from buildonce.errors import PreconditionError, UsageError
from tests.kit.in_process import ANY_AGE, app, heard, leave_open
from tests.kit.monorepo import Monorepo
from tests.kit.releases import release


@pytest.fixture
def staged(project: Monorepo) -> Monorepo:
    """A monorepo whose release runs in staging."""
    release(project, "Begin", web="one", jobs="one")
    promote(app(project), "staging")
    return project


Show = Callable[..., Any]


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Show:
    """Run a command with `--json` and return what it printed."""

    def run(command: Callable[..., None], there: App, *arguments: object) -> Any:
        capsys.readouterr()
        as_json: dict[str, Any] = {"form": "json"} if command is changes else {"as_json": True}
        command(there, *arguments, **as_json)
        return json.loads(capsys.readouterr().out)

    return run


def test_a_summary_shows_hostile_subjects_as_text(
    staged: Monorepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--format markdown` is printed and added to the run's summary, with nothing to render."""
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    release(staged, "<img src=x> | [click](http://x) @everyone", web="two")
    there = app(staged)
    changes(there, "staging", None, form="markdown")
    for shown in (heard(there), summary.read_text()):
        assert "### staging: " in shown
        assert "| web | changed |" in shown
        assert "<img" not in shown
        assert "[click]" not in shown
        assert "@everyone" not in shown


def test_a_format_that_there_is_not(staged: Monorepo) -> None:
    """The formats that there are, are listed."""
    with pytest.raises(UsageError, match="table, json, markdown"):
        changes(app(staged), "staging", None, form="xml")


def test_the_commits_that_would_ship(staged: Monorepo, show: Show) -> None:
    """They are those since what runs, the newest first, with author and date."""
    old = staged.sha()
    release(staged, "Make it faster", web="two")
    new = release(staged, "Make it faster still", web="three")
    shown = show(changes, app(staged), "staging", None)
    assert (shown["from"], shown["to"]) == (old, new)
    assert [one["subject"] for one in shown["commits"]] == [
        "Make it faster still",
        "Make it faster",
    ]
    assert {one["author"] for one in shown["commits"]} == {"Dana Developer"}
    assert {one["direction"] for one in shown["commits"]} == {"ships"}
    assert shown["commits"][0]["date"] == staged.git(
        "log", "-1", "--format=%cd", "--date=format-local:%Y-%m-%d %H:%M"
    )


@pytest.mark.parametrize(
    ("path", "services"),
    [
        ("web/web.txt", ["web"]),
        ("jobs/jobs.txt", ["jobs"]),
        ("shared/shared.txt", ["web", "jobs"]),
        ("README.md", []),
    ],
)
def test_commits_are_told_by_service(
    staged: Monorepo, show: Show, path: str, services: list[str]
) -> None:
    """A commit belongs to the services among whose inputs it changed something."""
    staged.commit("Change", {path: "changed"})
    (shown,) = show(changes, app(staged), "staging", None)["commits"]
    assert shown["services"] == services


def test_services_whose_bytes_stay_the_same(staged: Monorepo, show: Show) -> None:
    """A service that the commit did not touch changes nothing but its labels."""
    release(staged, web="two")
    assert show(changes, app(staged), "staging", None)["bytes"] == {
        "web": "changed", "jobs": "labels only",
    }  # fmt: skip


def test_bytes_of_what_was_not_built_are_not_known(staged: Monorepo) -> None:
    """Before its build a commit's changes are shown, and that its bytes are not known."""
    sha = staged.commit("Not built", {"web/web.txt": "two"})
    there = app(staged)
    changes(there, "staging", None)
    assert "Not built" in heard(there)
    assert f"{sha} was not built yet: its bytes are not known" in heard(there)


def test_what_a_rollback_would_take_back(staged: Monorepo, show: Show) -> None:
    """Compared with an earlier release, the commits since are shown as taken back."""
    old = staged.sha()
    release(staged, "Make it worse", web="two")
    promote(app(staged), "staging")
    (shown,) = show(changes, app(staged), "staging", old)["commits"]
    assert (shown["direction"], shown["subject"]) == ("reverts", "Make it worse")


def test_branches_that_went_apart(staged: Monorepo, show: Show) -> None:
    """From one branch to another, some commits ship and others are taken back."""
    release(staged, "On main", web="two")
    promote(app(staged), "staging")
    staged.git("checkout", "--quiet", "-b", "other", "HEAD~1")
    staged.write({"web/web.txt": "three"})
    staged.git("commit", "--quiet", "--all", "--message=On the other branch")
    shown = show(changes, app(staged), "staging", None)["commits"]
    assert [(one["direction"], one["subject"]) for one in shown] == [
        ("ships", "On the other branch"),
        ("reverts", "On main"),
    ]


def test_production_is_compared_with_what_staging_runs(staged: Monorepo, show: Show) -> None:
    """What would be promoted to a later environment is what the one before runs."""
    promote(app(staged), "production")
    release(staged, "In staging", web="two")
    promote(app(staged), "staging")
    release(staged, "Not yet in staging", web="three")
    (shown,) = show(changes, app(staged), "production", None)["commits"]
    assert shown["subject"] == "In staging"


def test_nothing_lies_between(staged: Monorepo) -> None:
    """Where the release runs already, no commit is shown and every byte is the same."""
    there = app(staged)
    changes(there, "staging", None)
    assert "which is what would be promoted" in heard(there)
    assert "no commits lie between them" in heard(there)
    assert heard(there).count("identical") == len(staged.services)


def test_an_environment_that_runs_nothing(project: Monorepo) -> None:
    """Before the first promotion everything is new."""
    there = app(project)
    changes(there, "staging", None)
    assert "everything is new" in heard(there)


def test_commits_that_a_shallow_clone_does_not_have(staged: Monorepo, tmp_path: Path) -> None:
    """Where the clone is too shallow to compare, that is said, with the remedy."""
    release(staged, web="two")
    shallow = staged.clone(tmp_path / "shallow", "--depth=1")
    with pytest.raises(PreconditionError, match="not in this clone") as refused:
        changes(app(shallow), "staging", None)
    assert "git fetch --unshallow" in refused.value.hint


def test_who_put_what_there_when_why_and_how_it_ended(staged: Monorepo, show: Show) -> None:
    """Every promotion and rollback is told from its intent to its outcome, the newest first."""
    first, second = staged.sha(), release(staged, web="two")
    promote(app(staged), "staging", reason="it is ready")
    rollback(app(staged), "staging", None, "it was not")
    shown = show(history, app(staged), "staging", 20)
    told = [
        (one["sequence"], one["kind"], one["release"], one["previous"], one["reason"])
        for one in shown
    ]
    assert told == [
        (3, "rollback", first, second, "it was not"),
        (2, "promotion", second, first, "it is ready"),
        (1, "promotion", first, None, ""),
    ]
    assert {one["outcome"] for one in shown} == {"done"}
    assert {one["actor"] for one in shown} == {"Dana Developer <dana@example.org>"}
    assert all(0 <= one["took"] < 60 for one in shown)


def test_an_environment_has_a_history_of_its_own(staged: Monorepo, show: Show) -> None:
    """Production's promotions are not staging's."""
    promote(app(staged), "production", reason="to production")
    assert [one["reason"] for one in show(history, app(staged), "production", 20)] == [
        "to production"
    ]
    assert len(show(history, app(staged), "staging", 20)) == 1


def test_only_as_many_as_asked_for(staged: Monorepo) -> None:
    """`--number` limits the table to the latest; what is no number ends with 2."""
    assert "--number x" in staged.inv("history", "staging", "--number=x", expect=2).err
    release(staged, web="two")
    promote(app(staged), "staging", reason="the latest")
    said = staged.inv("history", "staging", "--number=1").out.splitlines()
    assert len(said) == 2
    assert "the latest" in said[1]


@pytest.mark.parametrize("number", [0, -1])
def test_a_number_that_asks_for_nothing(staged: Monorepo, number: int) -> None:
    """Fewer than one promotion cannot be asked for."""
    with pytest.raises(UsageError, match="--number"):
        history(app(staged), "staging", number, as_json=False)


@pytest.mark.parametrize(("recover", "outcome"), [(resume, "done"), (abort, "aborted")])
def test_who_ended_what_another_began(
    staged: Monorepo, monkeypatch: pytest.MonkeyPatch, recover: Callable[..., None], outcome: str
) -> None:
    """A promotion that somebody else finished or put back names both."""
    release(staged, web="two")
    leave_open(lambda: promote(app(staged), "staging"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Olga Operator")
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Olga Operator")
    recover(app(staged), "staging")
    there = app(staged)
    history(there, "staging", 1, as_json=False)
    assert "Dana Developer, ended by Olga Operator" in heard(there)
    assert outcome in heard(there)


def test_a_promotion_in_progress_is_in_the_history(staged: Monorepo) -> None:
    """What nobody has ended yet is shown as in progress."""
    release(staged, web="two")
    leave_open(lambda: promote(app(staged), "staging"))
    there = app(staged)
    history(there, "staging", 1, as_json=False)
    assert "in progress" in heard(there)


def test_an_environment_without_history(project: Monorepo) -> None:
    """Before the first promotion there is nothing to tell, and that is said."""
    there = app(project)
    history(there, "staging", 20, as_json=False)
    assert "staging has no promotions yet" in heard(there)


def test_a_shallow_clone_tells_the_whole_history(
    staged: Monorepo, tmp_path: Path, show: Show
) -> None:
    """Older promotions are fetched as they are needed, past other environments' events."""
    promote(app(staged), "production", reason="long ago")
    first, second = staged.sha(), release(staged, web="two")
    for _ in range(3):
        promote(app(staged), "staging", second)
        promote(app(staged), "staging", first, **ANY_AGE)
    shallow = staged.clone(tmp_path / "shallow", "--depth=1")
    assert [one["reason"] for one in show(history, app(shallow), "production", 1)] == ["long ago"]
    assert [one["sequence"] for one in show(history, app(shallow), "staging", 20)] == [
        *range(7, 0, -1)
    ]
