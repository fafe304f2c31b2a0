"""Commands where an environment has an engine, of which the outcome of each call is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from buildonce.app import App
from buildonce.commands.promote import apply, promote
from buildonce.commands.recover import abort, resume
from buildonce.commands.rollback import rollback
from buildonce.engines.base import Deployment, Running, StillOurs, always_ours
from buildonce.errors import BuildonceError, IntegrityError, PreconditionError, UsageError
from buildonce.refs import parse_digest
from buildonce.targets import Targets
from tests.kit.in_process import app, heard, leave_open
from tests.kit.monorepo import Monorepo
from tests.kit.registry_wire import another
from tests.kit.releases import release
from tests.kit.samples import FakeEngine

COMPOSE = {"engine": "compose", "file": "compose.yaml", "project": "shop"}


@dataclass
class Host:
    """A host whose containers are in a ``state``, and run after each deploy; ``calls`` are kept.

    ``refusal`` is what the check before each deploy comes to.
    """

    repo: Monorepo
    state: str = "running"
    refusal: BuildonceError | None = None
    calls: list[str] = field(default_factory=list)

    def app(self, *, dry_run: bool = False) -> App:
        there = app(self.repo, dry_run=dry_run, environments={"staging": COMPOSE, "live": {}})
        nothing: Any = None
        there.__dict__["targets"] = Targets(there.project, there.git, self._bind, nothing, nothing)
        return there

    def _bind(self, deployment: Deployment) -> FakeEngine:
        failures = {"check": self.refusal} if self.refusal else {}
        return Engine(deployment, self.calls, failures, host=self)

    def deployed(self) -> list[str]:
        """The releases that were deployed since it was last asked."""
        found = [call.removeprefix("deploy ") for call in self.calls if call.startswith("deploy")]
        self.calls.clear()
        return found


@dataclass(frozen=True, eq=False)
class Engine(FakeEngine):
    """A host's engine, of which every service has one container."""

    host: Host = field(kw_only=True)

    def deploy(self, progress: Callable[[str], None], still_ours: StillOurs = always_ours) -> None:
        super().deploy(progress, still_ours)
        self.host.state = "running"

    def running(self) -> list[Running]:
        return [
            Running("host", name, f"{name}-1", parse_digest(ref.reference), self.host.state)
            for name, ref in self.deployment.images.items()
        ]


@pytest.fixture
def host(project: Monorepo) -> Host:
    """A host on which a release runs, after another one."""
    host = Host(project)
    for text in ("one", "two"):
        promote(host.app(), "staging", release(project, web=text))
    host.deployed()
    return host


def test_what_runs_is_deployed_again_where_that_is_asked_for(host: Host) -> None:
    """Without, there is nothing to do; the release may be named, and no other."""
    repo, sha = host.repo, host.repo.sha()
    promote(host.app(), "staging")
    assert host.deployed() == []
    for name in (None, sha):
        promote(host.app(), "staging", name, redeploy=True)
        assert host.deployed() == [sha]
    with pytest.raises(UsageError) as caught:
        promote(host.app(), "staging", repo.sha("HEAD~1"), redeploy=True)
    assert caught.value.message == f"--redeploy deploys what staging runs, {sha}, again"
    assert host.deployed() == []


def test_there_is_nothing_to_deploy_again_before_the_first_promotion(project: Monorepo) -> None:
    """The command that promotes is named; where only pointers move, nothing is ever deployed."""
    release(project, web="one")
    host = Host(project)
    with pytest.raises(PreconditionError, match="staging runs nothing yet") as caught:
        promote(host.app(), "staging", redeploy=True)
    assert caught.value.hint == "inv promote staging"
    with pytest.raises(UsageError, match="a promotion to live deploys nothing"):
        promote(host.app(), "live", redeploy=True)


def test_containers_that_do_not_run_are_deployed_again(host: Host) -> None:
    """A release that the ledger has there already is brought in sync, and that is said."""
    host.state, there = "exited", host.app()
    promote(there, "staging")
    assert host.deployed() == [host.repo.sha()]
    assert f"staging runs {host.repo.sha()}, as before; it is in sync again" in heard(there)


def test_a_rollback_deploys_what_ran_before(host: Host) -> None:
    """The release before, by the host that has its images."""
    before = host.repo.sha("HEAD~1")
    rollback(host.app(), "staging", None, "it is slow")
    assert host.deployed() == [before]
    assert host.repo.digests("staging") == host.repo.digests(before)


def test_an_aborted_promotion_puts_the_release_before_back(host: Host) -> None:
    """What was deployed before it was interrupted is deployed again; of nothing, nothing is."""
    before, sha = host.repo.sha(), release(host.repo, web="three")
    leave_open(lambda: promote(host.app(), "staging", sha))
    host.deployed()
    there = host.app()
    abort(there, "staging")
    assert host.deployed() == [before]
    assert "its containers are left running" not in heard(there)


def test_an_aborted_first_promotion_leaves_its_containers(project: Monorepo) -> None:
    """Nothing is there to go back to, and that is said."""
    host = Host(project)
    sha = release(project, web="one")
    leave_open(lambda: promote(host.app(), "staging", sha))
    there = host.app()
    abort(there, "staging")
    assert "nothing was deployed there before: its containers are left running" in heard(there)


def test_a_plan_is_for_one_environment(host: Host, tmp_path: Path) -> None:
    """It is refused for another, before anything is looked at."""
    promote(host.app(), "staging", redeploy=True, plan_to=tmp_path / "plan.json")
    with pytest.raises(UsageError, match="is a plan for staging, not for live"):
        apply(host.app(), "live", tmp_path / "plan.json")
    assert host.deployed() == []


def own_registry(repo: Monorepo) -> App:
    """A dry run where production pulls from a registry of its own."""
    own = {"registry": f"{repo.registry}/{repo.namespace}/own", "image": "{registry}/{service}"}
    return app(repo, dry_run=True, environments={"production": own})


def test_what_a_registry_of_its_own_lacks_is_copied_there(project: Monorepo) -> None:
    """Images that are there need their tag at most, and another image's tag ends it."""
    sha = release(project, web="one")
    there = own_registry(project)
    promote(there, "production", sha)
    assert f"copy web, jobs to {project.registry}, which production pulls from\n" in heard(there)
    for service in project.services:
        bring(project, service, sha)
    there = own_registry(project)
    promote(there, "production", sha)
    assert "which production pulls from" not in heard(there)
    project.images("own/web").untag(sha)
    there = own_registry(project)
    promote(there, "production", sha)
    assert "tag 1 image that is there already in" in heard(there)
    there_now = project.images("own/jobs")
    there_now.put(sha, another(there_now.require(sha), "by hand"))
    with pytest.raises(IntegrityError, match=f"own/jobs:{sha} holds sha256:") as caught:
        promote(own_registry(project), "production", sha)
    assert "nothing was overwritten" in caught.value.hint


def bring(repo: Monorepo, service: str, sha: str) -> None:
    """Copy an image into production's own registry, by its digest and its tag."""
    source, target = repo.images(service), repo.images(f"own/{service}")
    stored = source.require(sha)
    for digest in (stored.document["config"]["digest"], *stored.layers):
        target.put_blob(source.blob(digest))
    target.put(sha, stored)


@pytest.mark.parametrize("command", [resume, abort])
def test_what_was_left_open_is_checked_like_a_promotion(
    host: Host, command: Callable[[App, str], None]
) -> None:
    """A variable without a value is found before anything is deployed, and can be set then."""
    sha = release(host.repo, web="three")
    leave_open(lambda: promote(host.app(), "staging", sha))
    host.deployed()
    host.refusal = UsageError("compose.yaml: the variable KEY is not set")
    with pytest.raises(UsageError, match="KEY is not set"):
        command(host.app(), "staging")
    assert host.deployed() == []
    host.refusal = None
    command(host.app(), "staging")
    assert host.deployed() == [sha if command is resume else host.repo.sha("HEAD~1")]


def test_containers_are_looked_at_once_where_another_release_comes(host: Host) -> None:
    """What runs before a deploy decides nothing: only what came up is asked for."""
    promote(host.app(), "staging", release(host.repo, web="three"))
    first = host.calls.index(f"deploy {host.repo.sha()}")
    assert not [call for call in host.calls[:first] if call.startswith("running")]
