"""The ledger's branch against real git: remotes that fail, and odd repositories."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from buildonce.errors import IntegrityError, PreconditionError, UnavailableError
from buildonce.git import process as git_process
from buildonce.git.repository import Git
from buildonce.ledger.branch import LocalBranch, RemoteBranch, open_branch
from buildonce.ledger.snapshot import Event
from buildonce.ledger.store import Ledger
from tests.kit.monorepo import LEDGER, NOBODYS_GIT


@pytest.fixture(autouse=True)
def nobodys_git(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NOBODYS_GIT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A bare repository, with nothing in it."""
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path / "origin.git")], check=True)
    return tmp_path / "origin.git"


@pytest.fixture
def clone(tmp_path: Path, origin: Path) -> Git:
    """A clone of it with one commit."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "clone")], check=True)
    made = Git(tmp_path / "clone")
    made.run("remote", "add", "origin", str(origin))
    made.run("commit", "--quiet", "--allow-empty", "--message=Begin")
    return made


def child(git: Git, parent: str) -> str:
    """A commit after another one, on no branch."""
    return git.text("commit-tree", "-p", parent, "-m", "next", f"{parent}^{{tree}}")


def program(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_a_remote_that_hangs_is_given_up(
    clone: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A remote that never answers ends after the time limit, and is named."""
    monkeypatch.setattr(git_process, "REMOTE", 0.5)
    clone.run("config", "remote.origin.uploadpack", program(tmp_path / "hang", "exec sleep 20"))
    with pytest.raises(UnavailableError, match=r"'origin'.*no answer within"):
        RemoteBranch(clone, LEDGER, "origin").tip()


def test_a_push_whose_answer_never_comes_counts_where_it_landed(
    clone: Git, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time limit the remote is asked: what it has was written."""
    monkeypatch.setattr(git_process, "REMOTE", 2.0)
    program(origin / "hooks" / "post-receive", "exec sleep 20 >/dev/null 2>&1")
    branch, new = RemoteBranch(clone, LEDGER, "origin"), clone.commit().revision
    assert branch.move(None, new)
    assert branch.tip() == new


def test_a_refused_push_is_no_missing_answer(clone: Git, origin: Path) -> None:
    """Where the remote can be read, the hint is about the right to push, not about the network."""
    program(origin / "hooks" / "pre-receive", "echo protected branch >&2; exit 1")
    with pytest.raises(UnavailableError, match="protected branch") as refused:
        RemoteBranch(clone, LEDGER, "origin").move(None, clone.commit().revision)
    assert f"the right to push to {LEDGER}" in refused.value.hint


def test_a_fetch_that_is_overtaken_is_no_rewrite(clone: Git, origin: Path, tmp_path: Path) -> None:
    """While one process fetches, another of the same clone may fetch what came later."""
    branch, first = RemoteBranch(clone, LEDGER, "origin"), clone.commit().revision
    second = child(clone, first)
    third = child(clone, second)
    branch.move(None, first)
    clone.run("push", "--quiet", "origin", f"{third}:refs/heads/objects")
    Git(origin).run("update-ref", f"refs/heads/{LEDGER}", second)
    overtake = (
        f"git -C {shlex.quote(str(origin))} update-ref refs/heads/{LEDGER} {third}; "
        f"git -C {shlex.quote(str(clone.root))} update-ref refs/buildonce/{LEDGER} {third}"
    )
    slow = (
        f"echo >>{tmp_path}/calls; unset GIT_PROTOCOL; "
        f'[ $(wc -l <{tmp_path}/calls) = 2 ] || exec git-upload-pack "$@"; '
        'git-upload-pack "$@" | '
        f'{{ told=$(dd bs=1 count=4 2>/dev/null); {overtake}; printf %s "$told"; exec cat; }}'
    )
    clone.run("config", "remote.origin.uploadpack", program(tmp_path / "slow", slow))
    assert branch.tip() == second
    assert branch.tip() == third


def test_a_ledger_that_went_back_is_a_rewrite(clone: Git, origin: Path) -> None:
    """A remote whose branch is behind what this clone has seen has lost something."""
    branch, first = RemoteBranch(clone, LEDGER, "origin"), clone.commit().revision
    branch.move(None, first)
    branch.move(first, child(clone, first))
    Git(origin).run("update-ref", f"refs/heads/{LEDGER}", first)
    with pytest.raises(IntegrityError, match="rewritten"):
        branch.tip()


def test_a_ledger_without_any_remote_is_local(clone: Git) -> None:
    """Only a repository without remotes keeps its ledger to itself."""
    clone.run("remote", "remove", "origin")
    assert isinstance(open_branch(clone, LEDGER, "origin"), LocalBranch)


def test_a_remote_by_another_name_is_not_taken_for_none(clone: Git) -> None:
    """Where the configured remote is missing among others, they are named, with the setting."""
    clone.run("remote", "rename", "origin", "upstream")
    with pytest.raises(PreconditionError, match=r"'origin'.*upstream") as refused:
        open_branch(clone, LEDGER, "origin")
    assert 'ledger_remote = "upstream"' in refused.value.hint


def test_a_repository_of_somebody_else_is_told(clone: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where git refuses a folder for its owner, its words and its remedy are passed on."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    for ask in (clone.commit, clone.remotes):
        with pytest.raises(PreconditionError, match="dubious ownership") as refused:
            ask()
        assert "safe.directory" in refused.value.hint


@pytest.mark.parametrize("separator", ["\u2028", "\x1f", "\x1e", "\x0b", "\x85"])
def test_a_subject_may_have_any_character(clone: Git, separator: str) -> None:
    """Characters that count as line ends elsewhere do not take a list of commits apart."""
    first, subject = clone.commit(), f"one{separator}two"
    clone.run("commit", "--quiet", "--allow-empty", "--cleanup=verbatim", f"--message={subject}")
    clone.run("commit", "--quiet", "--allow-empty", "--message=Last")
    subjects = [commit.subject for commit in clone.commits(first.revision, "HEAD")]
    assert subjects == ["Last", subject]


def test_no_commits_lie_between_a_commit_and_itself(clone: Git) -> None:
    """An empty range is an empty list."""
    assert clone.commits("HEAD", "HEAD") == []


def test_a_ledger_in_a_sha256_repository(tmp_path: Path) -> None:
    """Where commit ids have 64 digits, records are written and removed as well."""
    subprocess.run(["git", "init", "--quiet", "--object-format=sha256", str(tmp_path)], check=True)
    ledger = Ledger(LocalBranch(Git(tmp_path), LEDGER))
    for content in ("kept", None):
        files = {"releases/a.json": content, "releases/b.json": "kept"}
        snapshot = ledger.append(lambda _, files=files: Event("event", (), files))  # type: ignore[misc]
    assert snapshot.commit is not None
    assert len(snapshot.commit) == 64
    assert snapshot.names("releases") == ["b"]
