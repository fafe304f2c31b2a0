"""A dry run reads the real state, prints the steps that the real run takes, writes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.kit.docker_recorder import DockerRecorder
from tests.kit.monorepo import Monorepo


def nothing(_repo: Monorepo) -> None:
    """The commit is not built."""


def built(repo: Monorepo) -> None:
    repo.inv("build", "--sha")


def left_open(repo: Monorepo) -> None:
    built(repo)
    repo.leave_open("staging")


@dataclass(frozen=True)
class Case:
    """A writing command, and what has to be there first."""

    prepare: Callable[[Monorepo], None]
    command: tuple[str, ...]


CASES = {
    "build": Case(nothing, ("build", "--sha")),
    "promote": Case(built, ("promote", "staging")),
    "resume": Case(left_open, ("resume", "staging")),
    "abort": Case(left_open, ("abort", "staging")),
}


@pytest.fixture(scope="module", params=list(CASES))
def prepared(request: pytest.FixtureRequest, make: Callable[[], Monorepo]) -> tuple[Monorepo, Case]:
    repo, case = make(), CASES[request.param]
    case.prepare(repo)
    return repo, case


def test_nothing_is_written(prepared: tuple[Monorepo, Case], docker: DockerRecorder) -> None:
    """The remote's refs and the registry's tags are the same after either kind of dry run."""
    repo, case = prepared
    before = repo.state()
    said = repo.inv(*case.command, "--dry-run", env=docker.env)
    said_too = repo.inv("--dry", *case.command, env=docker.env)
    assert repo.state() == before
    assert docker.builds() == []
    assert "nothing was written" in said.out
    assert steps(said.out) == steps(said_too.out) != []


def test_it_needs_no_right_to_write(prepared: tuple[Monorepo, Case]) -> None:
    """The same steps are printed where the remote refuses every push."""
    repo, case = prepared
    said = repo.inv(*case.command, "--dry-run")
    repo.refuse_pushes()
    try:
        assert steps(repo.inv(*case.command, "--dry-run").out) == steps(said.out)
    finally:
        (repo.origin / "hooks" / "pre-receive").unlink()


def test_the_real_run_takes_the_printed_steps(prepared: tuple[Monorepo, Case]) -> None:
    """What a dry run announces is, sentence by sentence, what is then done."""
    repo, case = prepared
    announced = steps(repo.inv(*case.command, "--dry-run").out)
    done = re.findall(r"^✓ (.*?)  [\d.]+ s$", repo.inv(*case.command).err, re.MULTILINE)
    assert sorted(done) == sorted(announced)


def test_the_exact_bake_definition_is_printed(repo: Monorepo) -> None:
    """A dry build shows on request what Buildx would get: tags, labels and build arguments."""
    said = repo.inv("build", "--sha", "--dry-run", "--details").out
    assert f'"{repo.images("web")}:{repo.sha()}"' in said
    assert f'"REVISION": "{repo.git("rev-parse", "HEAD")}"' in said


def test_a_local_build_has_a_dry_run_too(repo: Monorepo, docker: DockerRecorder) -> None:
    """Without --sha, a dry run names the tags and starts no docker."""
    said = repo.inv("build", "--dry-run", env=docker.env)
    assert f"{repo.images('web')}:dev" in said.out
    assert docker.calls() == []


def test_a_dry_run_refuses_what_the_real_run_refuses(repo: Monorepo) -> None:
    """Reading the real state, it ends with the same code: 3 for a commit that was not built."""
    repo.inv("promote", "staging", "--dry-run", expect=3)


def test_reading_needs_no_right_to_write(released: Monorepo) -> None:
    """Without push rights, verify and status work, and a promotion with nothing to do too."""
    released.refuse_pushes()
    for command in ("verify", "status", "sha"):
        released.inv(command)
    released.inv("promote", "staging", "--sha", released.sha())


def test_a_refused_push_is_told(built: Monorepo) -> None:
    """A real promotion without push rights ends with 6, in the remote's words; nothing moves."""
    built.refuse_pushes()
    done = built.inv("promote", "staging", expect=6)
    assert "you may only read here" in done.err
    assert built.digests("staging") == {"web": None, "jobs": None}


def steps(said: str) -> list[str]:
    """The numbered steps of a dry run."""
    return re.findall(r"^  \d+\. (.*)$", said, re.MULTILINE)
