"""Where environments run: each one's engine, bound to a release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from buildonce.config import Environment, Project
from buildonce.engines.base import Deployment, Engine, Files, Observer, Remains, Target
from buildonce.errors import PreconditionError
from buildonce.git.process import GitError
from buildonce.git.repository import Git
from buildonce.ledger.records.release import Release
from buildonce.ledger.snapshot import Snapshot
from buildonce.refs import ImageRef


@dataclass(frozen=True)
class Targets:
    """Binds engines: ``engine`` makes one of a deployment, ``observer`` what only looks.

    ``remains`` looks at former places.
    """

    project: Project
    git: Git
    engine: Callable[[Deployment], Engine]
    remains: Callable[[Target], Remains]
    observer: Callable[[Deployment], Observer]

    def bind(self, environment: str, release: Release, snapshot: Snapshot) -> Engine | None:
        """Return an environment's engine, bound to a release; None where only pointers move.

        What is deployed is the bundle that the ledger has of the release on that engine in that
        environment or, the first time, what the release's own commit says: an earlier release
        comes back with the definition that it ran with, and its commit need not be in this clone.
        """
        if not self.project.environment(environment).deploys:
            return None
        return self.engine(self._deployment(environment, release, snapshot))

    def observe(self, environment: str, release: Release, snapshot: Snapshot) -> Observer | None:
        """Return what sees an environment's containers; None where nothing does."""
        if self.project.environment(environment).is_observed:
            return self.observer(self._deployment(environment, release, snapshot))
        return self.bind(environment, release, snapshot)

    def pulled(self, environment: str, release: Release) -> Release:
        """Return a release with its images where an environment pulls them from."""
        if not self.project.has_own_registry(environment):
            return release
        return release.at(lambda service: self.project.place_of(service, environment))

    def _deployment(self, environment: str, release: Release, snapshot: Snapshot) -> Deployment:
        settings = self.project.environment(environment)
        return Deployment(
            target=target_of(environment, settings),
            sha=release.sha,
            files=Files(
                paths=settings.files,
                export=partial(self._export, release),
                locate=partial(self.git.find_variable, release.revision),
            ),
            images=self._images(environment, release),
            variables=settings.variables,
            names=self._names(environment, release),
            indexes={
                digest: image.digest
                for image in release.services.values()
                for digest in image.platforms.values()
            },
            policy=settings.policy,
            bundle=snapshot.bundle(environment, release.sha, settings.engine),
        )

    def _images(self, environment: str, release: Release) -> dict[str, ImageRef]:
        pulled = self.pulled(environment, release)
        return {name: image.ref for name, image in pulled.services.items()}

    def _names(self, environment: str, release: Release) -> dict[str, str]:
        """Return what manifests call images, which may be their names where they are built."""
        names = dict(self.project.environment(environment).images)
        if self.project.has_own_registry(environment):
            for service in release.services:
                names.setdefault(service, str(self.project.place_of(service)))
        return names

    def _export(self, release: Release, folder: Path) -> Path:
        """Write the tree of a release's commit into a new folder.

        Raises:
            PreconditionError: the commit is not in this clone, nor at the remote.
        """
        if not self.git.has_commit(release.revision):
            self.git.fetch_commit(release.revision, self.project.ledger_remote)
        try:
            return self.git.export(release.revision, folder)
        except GitError as error:
            raise PreconditionError(
                f"the commit of release {release.sha} cannot be read: {error.message}",
                hint=f"git fetch {self.project.ledger_remote} {release.revision}",
            ) from None


def target_of(environment: str, settings: Environment) -> Target:
    """Return where an environment runs."""
    limit = settings.pre_deploy.timeout if settings.pre_deploy else None
    return Target(
        name=environment,
        engine=settings.engine,
        host=settings.context or settings.host,
        project=settings.project or "",
        timeout=settings.patience.total_seconds(),
        namespace=settings.namespace or "",
        pre_deploy_timeout=limit.total_seconds() if limit else None,
        pull_config=settings.pull_config or "",
    )
