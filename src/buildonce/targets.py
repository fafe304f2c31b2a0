"""How environments run releases: which engine, aimed where, with which definition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from buildonce.config import Environment, Project
from buildonce.engines.base import Deployment, Engine, Running, Target
from buildonce.errors import PreconditionError
from buildonce.git.repository import Git, GitError
from buildonce.ledger.records.release import Release


@dataclass(frozen=True)
class Hosts:
    """Makes the engine and the deployment of each environment; ``engine`` makes one by target."""

    project: Project
    git: Git
    engine: Callable[[Target], Engine]

    def deploys(self, environment: str) -> bool:
        """Tell whether an environment runs containers, or has pointers only."""
        return self.project.environment(environment).engine != "none"

    def engine_of(self, environment: str) -> Engine:
        """Return the engine of an environment that runs containers."""
        return self.engine(self._target(environment))

    def deployment(self, environment: str, release: Release) -> Deployment:
        """Return a release on its way to an environment.

        The definition is the one in the release's own commit, so that an earlier release comes
        back with the definition that it ran with.

        Raises:
            PreconditionError: the commit, or the file in it, is not in this clone.
        """
        settings = self.project.environment(environment)
        assert settings.file is not None
        return Deployment(
            target=self._target(environment),
            sha=release.sha,
            definition=self._definition(release, settings.file),
            file=self.git.root / settings.file,
            images={name: image.ref for name, image in release.services.items()},
            variables=settings.variables,
        )

    def running(self, environment: str, release: Release) -> list[Running]:
        """Return what runs in an environment, measured against a release."""
        return self.engine_of(environment).running(self.deployment(environment, release))

    def settings(self, environment: str) -> Environment:
        """Return an environment's configuration."""
        return self.project.environment(environment)

    def _target(self, environment: str) -> Target:
        settings = self.project.environment(environment)
        return Target(
            name=environment,
            engine=settings.engine,
            host=settings.host,
            project=settings.project or "",
            timeout=settings.timeout.total_seconds(),
        )

    def _definition(self, release: Release, path: str) -> str:
        if not self.git.has_commit(release.revision):
            self.git.fetch_commit(release.revision, self.project.ledger_remote)
        try:
            return self.git.show(release.revision, path)
        except GitError as error:
            raise PreconditionError(
                f"{path} of release {release.sha} cannot be read: {error.message}",
                hint=f"git fetch {self.project.ledger_remote} {release.revision}; where the file "
                "was moved: a release that has it at both paths comes first",
            ) from None
