"""The steps that change what containers run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from buildonce.engines.base import DeployError
from buildonce.execute.ports import Progress
from buildonce.plan.steps import Confirm, Deploy, Prepare, RunBefore
from buildonce.targets import Hosts


@dataclass
class Deployments:
    """Does a promotion's steps on the hosts; ``check_held`` refuses once we are not holder.

    ``rendered`` is the definition that was deployed last, with its images by digest;
    ``deployed`` says that containers may have been changed, ``touched`` that anything may.
    """

    hosts: Hosts
    progress: Progress
    check_held: Callable[[], None]
    rendered: str | None = None
    deployed: bool = False
    touched: bool = False

    def prepare(self, step: Prepare) -> None:
        """Pull the release's images."""
        deployment = self.hosts.deployment(step.environment, step.release)
        self.hosts.engine_of(step.environment).require_ready(deployment)

    def run_before(self, step: RunBefore) -> None:
        """Run the one-off command."""
        before = self.hosts.settings(step.environment).before
        assert before is not None
        deployment = self.hosts.deployment(step.environment, step.release)
        engine = self.hosts.engine_of(step.environment)
        self.check_held()
        self.touched = True
        engine.run_once(deployment, before.service, before.command)

    def deploy(self, step: Deploy) -> None:
        """Change the containers, and wait until they are healthy."""
        deployment = self.hosts.deployment(step.environment, step.release)
        engine = self.hosts.engine_of(step.environment)
        self.check_held()
        self.rendered = engine.render(deployment)
        self.deployed = self.touched = True
        engine.deploy(deployment, self.progress.note)

    def confirm(self, step: Confirm) -> None:
        """See that every container of the release runs its bytes; point out those of others.

        Raises:
            DeployError: naming the first that does not, or of which it cannot be told.
        """
        for one in self.hosts.running(step.environment, step.release):
            if one.stray:
                self.progress.note(f"{one.service} on {one.host} ({one.container}) {one.problem}")
            elif one.problem:
                raise DeployError(
                    f"({one.container}) {one.problem}", service=one.service, host=one.host,
                    hint=f"inv verify --env {step.environment}",
                )  # fmt: skip

    def commands(self, step: Deploy) -> list[str]:
        """Return the command lines of a deploy and the definition it runs, for a dry run."""
        engine = self.hosts.engine_of(step.environment)
        deployment = self.hosts.deployment(step.environment, step.release)
        return [*engine.commands(deployment), "where FILE is", engine.render(deployment)]
