"""What CI systems tell of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildonce import ci

GITHUB = {
    "CI": "true",
    "GITHUB_ACTIONS": "true",
    "GITHUB_ACTOR": "ada",
    "GITHUB_TRIGGERING_ACTOR": "bob",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_RUN_ID": "42",
}
GITLAB = {
    "CI": "true",
    "GITLAB_CI": "true",
    "GITLAB_USER_NAME": "Ada Lovelace",
    "GITLAB_USER_LOGIN": "ada",
    "GITLAB_USER_EMAIL": "ada@example.com",
    "CI_JOB_URL": "https://gitlab.com/acme/shop/-/jobs/7",
}
JENKINS = {
    "JENKINS_URL": "https://jenkins.test/",
    "BUILD_URL": "https://jenkins.test/job/shop/3/",
    "BUILD_TAG": "jenkins-shop-3",
    "BUILD_USER": "Ada Lovelace",
    "BUILD_USER_EMAIL": "ada@example.com",
}


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        (GITHUB, "GitHub Actions"),
        (GITLAB, "GitLab CI"),
        (JENKINS, "Jenkins"),
        ({"CI": "1"}, "CI"),
    ],
)
def test_each_system_is_known_by_its_marker(variables: dict[str, str], name: str) -> None:
    """The variable that a system documents is enough, and the most exact one counts."""
    found = ci.system(variables)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("value", ["", "0", "false", "False"])
def test_a_marker_that_is_off_is_no_ci(value: str) -> None:
    """`CI=false` is a person's machine."""
    assert ci.system({"CI": value}) is None


@pytest.mark.parametrize(
    ("variables", "actor"),
    [
        (GITHUB, "bob <bob@users.noreply.github.com>"),
        (GITLAB, "Ada Lovelace <ada@example.com>"),
        (JENKINS, "Ada Lovelace <ada@example.com>"),
        ({"CI": "true"}, ""),
        ({}, ""),
    ],
)
def test_who_triggered_the_run(variables: dict[str, str], actor: str) -> None:
    """On GitHub it is who started this attempt, not who caused the first one."""
    assert ci.actor(variables) == actor


def test_variables_of_a_system_that_does_not_run_this_say_nothing() -> None:
    """GITHUB_ACTOR in somebody's shell does not make them somebody else."""
    assert ci.actor({"GITHUB_ACTOR": "ada", "GITLAB_USER_NAME": "Ada"}) == ""


@pytest.mark.parametrize(
    ("variables", "actor"),
    [
        ({"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "ada"}, "ada <ada@users.noreply.github.com>"),
        ({"GITLAB_CI": "true", "GITLAB_USER_LOGIN": "ada"}, "ada <unknown>"),
        ({"JENKINS_URL": "x", "BUILD_USER_ID": "ada"}, "ada <unknown>"),
        ({"JENKINS_URL": "x"}, ""),
    ],
)
def test_who_triggered_it_where_less_is_told(variables: dict[str, str], actor: str) -> None:
    """Older versions and systems without a plugin tell a login alone, or nobody."""
    assert ci.actor(variables) == actor


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        (GITHUB, "https://github.com/acme/shop/actions/runs/42"),
        ({"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "42"}, "run 42"),
        (GITLAB, "https://gitlab.com/acme/shop/-/jobs/7"),
        (JENKINS, "https://jenkins.test/job/shop/3/"),
        ({"CI": "true"}, "CI on build-1"),
        ({}, "build-1"),
    ],
)
def test_where_a_run_is(variables: dict[str, str], place: str) -> None:
    """A run's address where there is one; the machine's name elsewhere."""
    assert ci.place(variables, "build-1") == place


def test_outputs_are_lines(tmp_path: Path) -> None:
    """$GITHUB_OUTPUT gets `key=value`, one a line, after what other steps wrote."""
    path = tmp_path / "output"
    path.write_text("before=1\n")
    ci.set_outputs({"sha": "0123456789ab", "other": "x"}, {"GITHUB_OUTPUT": str(path)})
    assert path.read_text() == "before=1\nsha=0123456789ab\nother=x\n"


def test_the_summary_is_appended_to(tmp_path: Path) -> None:
    """$GITHUB_STEP_SUMMARY gets Markdown, after what other steps wrote."""
    path = tmp_path / "summary.md"
    path.write_text("# Before\n")
    ci.summarise("| ✅ |\n", {"GITHUB_STEP_SUMMARY": str(path)})
    assert path.read_text(encoding="utf-8") == "# Before\n| ✅ |\n"


def test_outside_a_workflow_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without those variables there is no file."""
    monkeypatch.chdir(tmp_path)
    ci.set_outputs({"sha": "0123456789ab"}, {})
    ci.summarise("# Summary\n", {})
    assert list(tmp_path.iterdir()) == []
