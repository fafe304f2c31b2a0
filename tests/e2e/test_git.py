"""Against real git: every kind of clone, the ledger's branch, remotes that fail."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.monorepo import LEDGER, Make, Monorepo


def shallow(repo: Monorepo, folder: Path) -> Monorepo:
    return repo.clone(folder, "--depth=1")


def only_the_ledgers_branch_missing(repo: Monorepo, folder: Path) -> Monorepo:
    return repo.clone(folder, "--single-branch")


def detached(repo: Monorepo, folder: Path) -> Monorepo:
    clone = repo.clone(folder)
    clone.git("checkout", "--quiet", "--detach", "HEAD")
    return clone


def linked_worktree(repo: Monorepo, folder: Path) -> Monorepo:
    repo.git("worktree", "add", "--quiet", "--detach", str(folder))
    return replace(repo, root=folder)


CLONES: list[Callable[[Monorepo, Path], Monorepo]] = [
    *(shallow, only_the_ledgers_branch_missing, detached, linked_worktree)
]


@pytest.mark.parametrize("kind", CLONES, ids=lambda kind: kind.__name__)
def test_any_clone_will_do(
    make: Make, kind: Callable[[Monorepo, Path], Monorepo], tmp_path: Path
) -> None:
    """Whatever the clone's state, a commit is built from it and promoted all the way."""
    repo = make()
    repo.commit("Another", {"web/web.txt": "another\n"})
    clone = kind(repo, tmp_path / "clone")
    clone.inv("build", "--sha")
    clone.inv("promote", "staging")
    clone.inv("promote", "production")
    clone.inv("verify")
    assert clone.images("web").file("production", "app/web.txt") == "another\n"


def test_a_project_in_a_folder_of_the_repository(make: Make) -> None:
    """Where the project is not the repository's root, its folder is what is built."""
    repo = make(inside="products/shop")
    repo.inv("build", "--sha")
    assert repo.images("web").file(repo.sha(), "app/web.txt") == "web\n"
    repo.inv("promote", "staging")
    assert repo.inv("history", "staging").row("1", repo.sha(), "done")
    assert repo.sha() in repo.inv("prune", "--dry-run").out


def test_inv_in_a_service_folder(built: Monorepo) -> None:
    """Run from a folder below, `inv` finds the project as it finds tasks.py."""
    below = replace(built, root=built.root / "web")
    assert "is built already" in below.inv("build", "--sha").out


def test_a_repository_without_a_remote(repo: Monorepo) -> None:
    """Without a remote the ledger is a branch of the clone, and everything works as well."""
    repo.git("remote", "remove", "origin")
    repo.inv("build", "--sha")
    repo.inv("promote", "staging")
    repo.inv("verify", "--env", "staging")
    assert repo.sha() in repo.git("show", f"{LEDGER}:environments/staging.json")


def test_the_clone_is_left_alone(built: Monorepo) -> None:
    """Promoting touches neither the work tree, nor the index, nor a branch, nor FETCH_HEAD."""
    before = clone_state(built)
    built.inv("promote", "staging")
    assert clone_state(built) == before


def test_the_ledger_is_a_branch_of_its_own(released: Monorepo) -> None:
    """Its history shares no commit with the source, and holds nothing but records."""
    origin = released.origin
    assert released.git("rev-list", "--max-parents=0", LEDGER, cwd=origin) != released.git(
        "rev-list", "--max-parents=0", "main", cwd=origin
    )
    sha = released.sha()
    services = released.record(f"releases/{sha}.json")["services"]
    assert released.git("ls-tree", "-r", "--name-only", LEDGER, cwd=origin).splitlines() == [
        "environments/production.json",
        "environments/staging.json",
        *(f"images/{name}/{image['identity']}.json" for name, image in sorted(services.items())),
        f"releases/{sha}.json",
        f"runs/production/{sha}.json",
        f"runs/staging/{sha}.json",
    ]


def test_each_event_is_a_commit_with_trailers(released: Monorepo) -> None:
    """`git log` reads as a history, and a machine finds the same facts in the trailers."""
    origin, sha = released.origin, released.sha()
    subjects = released.git("log", "--reverse", "--format=%s", LEDGER, cwd=origin).splitlines()
    assert subjects[0] == f"build {sha}: web, jobs"
    assert len(subjects) == 5
    fields = "%(trailers:key=Event,valueonly,separator=%x20)"
    events = released.git("log", "--reverse", f"--format={fields}", LEDGER, cwd=origin)
    assert events.split() == ["built", "opened", "done", "opened", "done"]
    actor = "%(trailers:key=Actor,valueonly,separator=%x20)"
    actors = released.git("log", f"--format={actor}", LEDGER, cwd=origin).splitlines()
    assert set(actors) == {"Dana Developer <dana@example.org>"}


def test_executable_files_and_links_are_exported(repo: Monorepo) -> None:
    """A commit's modes and symbolic links reach the image as they were committed."""
    (repo.root / "web/run.sh").write_text("#!/bin/sh\n")
    (repo.root / "web/run.sh").chmod(0o755)
    (repo.root / "web/link").symlink_to("web.txt")
    dockerfile = (
        "FROM python:3.13-slim\nCOPY web /app/\n"
        "RUN [ -x /app/run.sh ] && [ ! -x /app/web.txt ] && [ -L /app/link ]\n"
    )
    repo.commit("Modes", {"web/Dockerfile": dockerfile})
    repo.inv("build", "--sha", "--service", "web")


@pytest.mark.parametrize("habit", ["attributes", "configuration"])
def test_the_clones_line_ends_do_not_get_in(repo: Monorepo, habit: str) -> None:
    """Line ends are those of the commit's own attributes, whatever the clone would check out."""
    if habit == "attributes":
        repo.write({".gitattributes": "*.txt text eol=crlf\n"})
    else:
        repo.git("config", "core.autocrlf", "true")
    repo.inv("build", "--sha", "--service", "web")
    assert repo.images("web").file(repo.sha(), "app/web.txt") == "web\n"


def test_the_commits_line_ends_get_in(repo: Monorepo) -> None:
    """A commit that says so is built with them, whatever is checked out meanwhile."""
    sha = repo.commit("Windows", {".gitattributes": "web/*.txt text eol=crlf\n"})
    repo.git("rm", "--quiet", ".gitattributes")
    repo.git("commit", "--quiet", "--message=Unix")
    repo.inv("build", f"--sha={sha}", "--service", "web")
    assert repo.images("web").file(sha, "app/web.txt") == "web\r\n"


def test_the_umask_does_not_get_in(repo: Monorepo) -> None:
    """Files are as readable in the image as they were committed, under any umask."""
    dockerfile = (
        "FROM python:3.13-slim\nCOPY web /app/\n"
        "RUN [ $(stat -c %a /app/web.txt) = 644 ] && [ $(stat -c %a /app) = 755 ]\n"
    )
    repo.commit("Modes", {"web/Dockerfile": dockerfile})
    before = os.umask(0o077)
    try:
        repo.inv("build", "--sha", "--service", "web")
    finally:
        os.umask(before)


def test_the_source_is_named_without_its_password(repo: Monorepo) -> None:
    """A remote's web address becomes a label; a password in it gets nowhere."""
    repo.git("remote", "set-url", "origin", "https://robot:secret@git.example.org/acme/shop.git")
    repo.git("config", f"url.{repo.origin}.insteadOf", repo.git("remote", "get-url", "origin"))
    done = repo.inv("build", "--sha")
    assert repo.images("web").labels(repo.sha())["source"] == "https://git.example.org/acme/shop"
    assert "secret" not in done.out + done.err


def test_an_unreachable_remote_is_named_without_its_password(built: Monorepo) -> None:
    """What git says about a remote is passed on, but for the password in its address."""
    built.git("remote", "set-url", "origin", "https://robot:secret@127.0.0.1:9/acme/shop.git")
    try:
        done = built.inv("status", expect=6)
    finally:
        built.git("remote", "set-url", "origin", str(built.origin))
    assert "127.0.0.1:9" in done.err
    assert "secret" not in done.out + done.err


@pytest.mark.parametrize("command", [("build", "--sha"), ("promote", "staging"), ("verify",)])
def test_a_remote_that_is_gone(built: Monorepo, command: tuple[str, ...]) -> None:
    """A git remote that does not answer ends with 6, its name and the command that asks it."""
    built.git("remote", "set-url", "origin", "/nowhere.git")
    try:
        done = built.inv(*command, expect=6)
    finally:
        built.git("remote", "set-url", "origin", str(built.origin))
    assert "'origin'" in done.err
    assert "git ls-remote origin" in done.err


def test_a_rewritten_ledger_is_noticed(released: Monorepo) -> None:
    """A history that lost what this clone has seen of it ends with 5, not with a new truth."""
    released.inv("status")
    released.git("update-ref", f"refs/heads/{LEDGER}", f"{LEDGER}~1", cwd=released.origin)
    assert "was rewritten" in released.inv("status", expect=5).err


def test_outside_a_repository(built: Monorepo, tmp_path: Path) -> None:
    """A project in no repository ends with 3 and says so."""
    for name in ("pyproject.toml", "tasks.py"):
        (tmp_path / name).write_text((built.root / name).read_text())
    done = replace(built, root=tmp_path).inv("build", "--sha", expect=3)
    assert "is not in a git repository" in done.err


def test_a_repository_without_a_commit(built: Monorepo, tmp_path: Path) -> None:
    """Before the first commit there is nothing to build: 3, with what comes first."""
    for name in ("pyproject.toml", "tasks.py"):
        (tmp_path / name).write_text((built.root / name).read_text())
    empty = replace(built, root=tmp_path)
    empty.git("init", "--quiet")
    assert "has no commit yet" in empty.inv("build", "--sha", expect=3).err


def clone_state(repo: Monorepo) -> list[str]:
    git = Path(repo.git("rev-parse", "--absolute-git-dir"))
    return [
        repo.git("status", "--porcelain"),
        repo.git("for-each-ref", "refs/heads", "refs/tags"),
        repo.git("symbolic-ref", "HEAD"),
        str((git / "FETCH_HEAD").exists()),
    ]
