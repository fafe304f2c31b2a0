"""Environments that another tool deploys to: pointers move, and what runs is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest

from buildonce.app import App
from buildonce.commands.promote import promote
from buildonce.commands.recover import resume
from buildonce.commands.rollback import rollback
from buildonce.commands.status import status
from buildonce.commands.verify import verify
from buildonce.doctor.deployments import examinations
from buildonce.engines.base import Deployment, Running
from buildonce.errors import DifferenceError, PreconditionError, UsageError
from buildonce.refs import parse_digest
from buildonce.report.terminal import Reporter
from buildonce.targets import Targets
from tests.kit.in_process import app, heard, leave_open
from tests.kit.monorepo import Monorepo
from tests.kit.releases import release

OBSERVED = {"engine": "kubernetes", "context": "live", "namespace": "shop"}


@dataclass(frozen=True)
class Seen:
    """A cluster that runs these digests."""

    deployment: Deployment
    runs: dict[str, str | None]

    def check(self) -> None:
        if not any(self.runs.values()):
            raise PreconditionError("rights are missing: list pods", hint="bind a Role")

    def running(self) -> list[Running]:
        known = {name: parse_digest(digest) for name, digest in self.runs.items() if digest}
        rows = [
            Running(
                "live/shop", name, f"{name}-1", known.get(name), "running",
                parse_digest(ref.reference), source="kubelet", remedy="inv images production",
            )
            for name, ref in self.deployment.images.items()
        ]  # fmt: skip
        return [*rows, Running("live/shop", "jobs", "", None, "running", unknown="it is asleep")]


def there(project: Monorepo, runs: str, **settings: Any) -> App:
    """Production is a cluster that runs the images of a commit."""
    made = app(project, environments={"production": OBSERVED}, **settings)
    digests = project.digests(runs)

    def nothing(*_: object) -> Any:
        raise AssertionError("nothing is deployed")

    made.__dict__["targets"] = Targets(
        made.project, made.git, nothing, nothing, lambda deployment: Seen(deployment, digests)
    )
    return made


def test_a_promotion_moves_pointers_and_says_who_deploys(project: Monorepo) -> None:
    """There and back, no engine is asked for anything; a repetition has nothing to do."""
    first, second = release(project), release(project, web="changed")
    said = ""
    for sha in (first, second, second):
        cluster = there(project, first)
        promote(cluster, "production", sha)
        said += heard(cluster)
    assert said.count("another tool deploys there, by what inv images production prints") == 2
    assert f"production is at {second} already: nothing to do; what runs: inv verify" in said
    assert project.digests("production") == project.digests(second)
    rollback(there(project, first), "production", None, "")
    assert project.digests("production") == project.digests(first)


def test_what_is_resumed_says_who_deploys(project: Monorepo) -> None:
    """As a promotion does: what the cluster runs is not known yet."""
    sha = release(project)
    leave_open(lambda: promote(there(project, sha), "production", sha))
    cluster = there(project, sha)
    resume(cluster, "production")
    assert f"production is to run {sha}: another tool deploys there" in heard(cluster)
    assert f"production runs {sha}" not in heard(cluster)


def test_what_runs_is_measured_against_the_release(project: Monorepo) -> None:
    """Until the other tool has deployed, `verify` and `status` say so, with what it needs."""
    first, second = release(project), release(project, web="changed", jobs="changed")
    promote(there(project, first), "production", second)
    with pytest.raises(DifferenceError) as caught:
        verify(there(project, first), ["production"], each=True, as_json=False)
    assert "2 of " in caught.value.message
    assert caught.value.hint == "inv images production"
    with pytest.raises(DifferenceError):
        status(there(project, first), check=True)
    with mock.patch.object(Reporter, "json") as printed:
        status(there(project, first), as_json=True)
    assert [row["in_sync"] for row in printed.call_args[0][0]] == [False, False]
    done = there(project, second)
    verify(done, ["production"], each=True, as_json=False)
    status(done, check=True)
    assert "yes (1 not checked)" in heard(done)
    assert "it is asleep" in heard(done)


def test_a_dry_run_says_who_deploys(project: Monorepo) -> None:
    """It prints the moves of pointers, no deploy, and writes nothing."""
    sha = release(project)
    before, dry = project.state(), there(project, sha)
    dry.dry_run = True
    promote(dry, "production", sha)
    said = heard(dry)
    assert "another tool deploys there" in said
    assert "wait until it is healthy" not in said
    assert project.state() == before


@pytest.mark.parametrize(("runs", "level"), [("HEAD", "ok"), ("nothing", "problem")])
def test_doctor_looks_whether_it_may_look(project: Monorepo, runs: str, level: str) -> None:
    """Nothing is asked of deploying there; what cannot be seen is named with what that costs."""
    sha = release(project)
    cluster = there(project, sha if runs == "HEAD" else runs)
    found = [one for look in examinations(cluster) for one in look.run(cluster)]
    assert [(one.subject, one.level) for one in found] == [("containers of production", level)]
    assert found[0].cost in ("", "inv verify cannot tell what production runs")


def test_there_is_nothing_to_redeploy(project: Monorepo) -> None:
    """`--redeploy` is refused where a promotion deploys nothing."""
    sha = release(project)
    promote(there(project, sha), "production", sha)
    with pytest.raises(UsageError, match="deploys nothing"):
        promote(there(project, sha), "production", redeploy=True)
