"""The ledger's remote, its files and the disk at their worst: clear errors, nothing lost."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest import mock

import pytest

from buildonce.app import App
from buildonce.commands.history import history
from buildonce.commands.promote import promote
from buildonce.commands.prune import prune
from buildonce.commands.recover import abort, resume
from buildonce.commands.rollback import rollback
from buildonce.commands.status import status
from buildonce.commands.verify import verify
from buildonce.errors import BrokenError, BuildonceError, DifferenceError, UnavailableError
from tests.kit.checkpoint import Checkpoint, put_back
from tests.kit.crash_points import run_until, trace
from tests.kit.figures import Figures
from tests.kit.in_process import ANY_AGE, app, heard
from tests.kit.ledger_log import facts, is_open
from tests.kit.monorepo import LEDGER, Monorepo
from tests.kit.releases import release

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")

RECORD = "environments/staging.json"


def the_other(there: App) -> str:
    """The release that staging ran and does not run now."""
    record = there.ledger.read().environment("staging")
    return next(past.release for past in record.successes if past.release != record.release)


COMMANDS: Mapping[str, Callable[[App], None]] = {
    "status": lambda there: status(there, as_json=False),
    "verify": lambda there: verify(there, ["staging"], each=True, as_json=False),
    "promote": lambda there: promote(there, "staging", reason="why"),
    "rollback": lambda there: rollback(there, "staging", the_other(there), "why"),
    "prune": prune,
}


@pytest.fixture(scope="module")
def released_twice(make: Callable[..., Monorepo], env: Mapping[str, str]) -> Checkpoint:
    with mock.patch.dict(os.environ, env, clear=True):
        repo = make()
        for content in ("one", "two"):
            release(repo, web=content)
            promote(app(repo), "staging")
        release(repo, web="three")
        return Checkpoint.of(repo)


@pytest.fixture
def released(project: Monorepo, released_twice: Checkpoint) -> Iterator[Monorepo]:
    """A monorepo that has run two releases in staging and has a third one built."""
    with put_back(released_twice) as repo:
        yield repo


def refusals(repo: Monorepo, *commands: str) -> list[BuildonceError]:
    """The errors that commands (all, where none is named) end with; they must write nothing."""
    errors, before = [], repo.state()
    for command in commands or COMMANDS:
        with pytest.raises(BuildonceError) as refused:
            COMMANDS[command](app(repo))
        errors.append(refused.value)
    assert repo.state() == before
    return errors


def codes(errors: list[BuildonceError], said: str) -> set[int]:
    """The exit codes of errors, each of which says this."""
    assert [said in error.message for error in errors] == [True] * len(errors)
    return {error.exit_code for error in errors}


def test_a_remote_that_refuses_pushes(released: Monorepo) -> None:
    """Where the remote may only be read, a promotion ends with 6 and has written nothing."""
    released.refuse_pushes()
    before = released.state()
    said = released.inv("promote", "staging", expect=6).err
    assert "you may only read here" in said
    assert released.state() == before


def test_a_remote_that_refuses_the_outcome(released: Monorepo) -> None:
    """Refused after the intent, the promotion stays open, and is finished once it can be."""
    released.hook("update", 'git show --format=%B -s "$3" | grep -q "Event: opened"')
    with pytest.raises(UnavailableError) as refused:
        promote(app(released), "staging")
    assert "is still open" in refused.value.message
    assert is_open(released.record(RECORD))
    (released.origin / "hooks" / "update").unlink()
    resume(app(released), "staging")
    assert released.record(RECORD)["release"] == released.sha()
    assert released.digests("staging") == released.digests(released.sha())


def test_a_remote_that_loses_its_answer(released: Monorepo) -> None:
    """A push that was carried out and then reported as failed is not made twice."""
    released.hook("post-receive", "kill -9 $PPID")
    promote(app(released), "staging")
    events = [fact["Event"] for fact in facts(released)][-2:]
    assert events == ["opened", "done"]


@pytest.mark.parametrize("how", ["reset", "replaced", "diverged"])
def test_a_rewritten_branch_is_refused(released: Monorepo, how: str) -> None:
    """A ledger that lost what this clone has seen of it is an integrity error, and not written."""
    tree = released.git("rev-parse", f"{LEDGER}^{{tree}}", cwd=released.origin)
    parents = {"reset": [], "replaced": [], "diverged": ["-p", f"{LEDGER}~2"]}[how]
    forged = released.git("commit-tree", tree, "-m", "by hand", *parents, cwd=released.origin)
    new = f"{LEDGER}~2" if how == "reset" else forged
    released.git("update-ref", f"refs/heads/{LEDGER}", new, cwd=released.origin)
    assert codes(refusals(released), "was rewritten") == {5}


def test_a_branch_that_was_cut_is_found_by_a_clone_that_never_saw_it(
    project: Monorepo, tmp_path: Path
) -> None:
    """A CI job's clone has no memory, but the registry has: the pointers name what is lost."""
    first = release(project, web="one", jobs="one")
    promote(app(project), "staging", first)
    before = project.git("rev-parse", LEDGER, cwd=project.origin)
    second = release(project, web="two", jobs="two")
    promote(app(project), "staging", second)
    project.git("update-ref", f"refs/heads/{LEDGER}", before, cwd=project.origin)
    fresh = project.clone(tmp_path / "fresh")
    with pytest.raises(DifferenceError, match="staging web pointer"):
        verify(app(fresh), ["staging"], each=True, as_json=False)
    there = app(fresh, dry_run=True)
    promote(there, "staging", first)
    digest = project.digests(second)["web"]
    assert digest is not None
    assert f":staging names {digest[7:19]}; by the ledger it should be" in heard(there)


def test_a_rewritten_branch_is_accepted_by_hand(released: Monorepo) -> None:
    """The command that the error names makes the clone take the new history for true."""
    released.git("update-ref", f"refs/heads/{LEDGER}", f"{LEDGER}~2", cwd=released.origin)
    (error,) = refusals(released, "status")
    released.git(*error.hint.rpartition("git ")[2].split())
    status(app(released), as_json=False)


def test_a_removed_branch_is_not_a_beginning(released: Monorepo) -> None:
    """Where the ledger was there and is gone, nobody starts a new one; it can be brought back."""
    tip = released.ledger()
    released.git("update-ref", "-d", f"refs/heads/{LEDGER}", cwd=released.origin)
    errors = refusals(released)
    assert codes(errors, "was removed") == {5}
    bring_back = errors[0].hint.partition("git ")[2].partition(";")[0]
    released.git(*bring_back.split())
    assert released.ledger() == tip


def _edited(repo: Monorepo, **fields: object) -> str:
    return json.dumps({**repo.record(RECORD), **fields})


NONSENSE: dict[str, Callable[[Monorepo], str]] = {
    "nothing": lambda _: "",
    "not JSON": lambda _: "<<<<<<< HEAD\n{}\n=======\n",
    "another shape": lambda _: "[1, 2, 3]",
    "a field too few": lambda _: json.dumps({"environment": "staging", "sequence": "many"}),
    "a field too many": lambda repo: _edited(repo, note="please be careful"),
    "an unknown state": lambda repo: _edited(repo, state="sleeping"),
    "another environment's": lambda repo: _edited(repo, environment="production"),
    "bytes": lambda _: "\x00\x01\x02",
    "deep": lambda _: "[" * 100_000,
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_in_a_record(released: Monorepo, kind: str) -> None:
    """A record edited into nonsense ends with 5, the file's name and how to see who did it."""
    released.rewrite(RECORD, NONSENSE[kind](released))
    errors = refusals(released)
    assert codes(errors, RECORD) == {5}
    for error in errors:
        command = error.hint.partition("   (")[0]
        assert RECORD in released.git(*command.split()[1:])


def test_a_record_that_was_removed(released: Monorepo) -> None:
    """An environment whose record is gone is not taken for one that never ran anything."""
    remove(released, RECORD)
    assert codes(refusals(released), f"{RECORD} is gone") == {5}


def test_a_running_release_without_a_record(released: Monorepo) -> None:
    """Where what runs has no record, status and verify say so, and another can be promoted."""
    runs = released.record(RECORD)["release"]
    remove(released, f"releases/{runs}.json")
    there = app(released)
    status(there, as_json=False)
    assert f"none of release {runs}" in heard(there)
    assert codes(refusals(released, "verify"), "of which there is no record") == {9}
    promote(app(released), "staging")
    assert released.record(RECORD)["release"] == released.sha()


def test_commits_by_hand_do_not_spoil_the_history(released: Monorepo) -> None:
    """A hand-made commit that changes nothing of sense is not shown as a promotion."""
    released.rewrite(RECORD, json.dumps(released.record(RECORD)))
    there = app(released)
    history(there, "staging", 20, as_json=False)
    assert len(heard(there).splitlines()) == 1 + 2


def remove(repo: Monorepo, path: str) -> None:
    """Remove a file of the ledger by hand, as a commit of its own."""
    clone = repo.origin.parent / "hand"
    repo.git("worktree", "add", "--quiet", "--force", str(clone), LEDGER, cwd=repo.origin)
    repo.git("rm", "--quiet", path, cwd=clone)
    repo.git("commit", "--quiet", "--message=by hand", cwd=clone)
    repo.git("worktree", "remove", str(clone), cwd=repo.origin)


FAILED_OR_DONE = {0, UnavailableError.exit_code, BrokenError.exit_code}
DISK = "3m"
"""Room for a clone, or for its remote, and little more."""


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a small disk of its own; nobody waits between tries for it to have room."""
    monkeypatch.setattr("buildonce.ledger.branch._back_off", lambda _attempt: None)
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> None:
    """Leave no room on a disk."""
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return


def promote_onto_a_full_disk(repo: Monorepo, disk: Path) -> Counter[int]:
    """Fill a disk at each write of a promotion; return how often that ended with which code.

    After each there is room again, and what is left open can be put back.
    """
    shas = [release(repo, web="one"), release(repo, web="two")]
    for sha in shas:
        promote(app(repo), "staging", sha, **ANY_AGE)
    ended: Counter[int] = Counter()
    back = partial(promote, app(repo), "staging", shas[0], **ANY_AGE)
    for stop in trace(repo, back, disk.parent).stops:
        runs, events = repo.record(RECORD)["release"], len(facts(repo))
        (other,) = set(shas) - {runs}
        command = partial(promote, app(repo), "staging", other, **ANY_AGE)
        ended[run_until(stop, partial(fill, disk), command)] += 1
        (disk / "filler").unlink(missing_ok=True)
        abort(app(repo), "staging")
        assert len(facts(repo)) >= events, stop
        assert repo.digests("staging") == repo.digests(repo.record(RECORD)["release"]), stop
    repo.git("fsck", "--connectivity-only", LEDGER, cwd=repo.origin)
    return ended


@pytest.mark.nightly
def test_the_clones_disk_is_full(project: Monorepo, small_disk: Path, figures: Figures) -> None:
    """No room in the clone at any write: nothing is lost, and what failed ended with 6 or 8."""
    ended = promote_onto_a_full_disk(project.clone(small_disk / "clone"), small_disk)
    figures("the clone's disk full", **{f"exit_{code}": times for code, times in ended.items()})
    assert {UnavailableError.exit_code} < set(ended) <= FAILED_OR_DONE


@pytest.mark.nightly
def test_the_remotes_disk_is_full(project: Monorepo, small_disk: Path, figures: Figures) -> None:
    """No room at the remote at any write: nothing is lost, and what failed ended with 6 or 8."""
    origin = small_disk / "origin.git"
    project.git("clone", "--quiet", "--bare", str(project.origin), str(origin))
    project.git("remote", "set-url", "origin", str(origin))
    ended = promote_onto_a_full_disk(replace(project, origin=origin), small_disk)
    figures("the remote's disk full", **{f"exit_{code}": times for code, times in ended.items()})
    assert {UnavailableError.exit_code} < set(ended) <= FAILED_OR_DONE
