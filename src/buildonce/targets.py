"""Where environments run: each one's engine, bound to a release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from buildonce.config import Environment, Project
from buildonce.engines.base import Deployment, Engine, Target
from buildonce.errors import PreconditionError
from buildonce.git.repository import Git, GitError
from buildonce.ledger.records.release import Release


@dataclass(frozen=True)
class Targets:
    """Binds engines; ``engine`` makes one of a deployment."""

    project: Project
    git: Git
    engine: Callable[[Deployment], Engine]

    def bind(self, environment: str, release: Release) -> Engine | None:
        """Return an environment's engine, bound to a release; None where only pointers move.

        The definition is the one in the release's own commit, so that an earlier release comes
        back with the definition that it ran with.
        """
        settings = self.project.environment(environment)
        if settings.engine == "none":
            return None
        assert settings.file is not None
        return self.engine(
            Deployment(
                target=target_of(environment, settings),
                sha=release.sha,
                read=partial(self._definition, release, settings.file),
                file=self.git.root / settings.file,
                images={name: image.ref for name, image in release.services.items()},
                variables=settings.variables,
            )
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


def target_of(environment: str, settings: Environment) -> Target:
    """Return where an environment runs."""
    return Target(
        name=environment,
        engine=settings.engine,
        host=settings.host,
        project=settings.project or "",
        timeout=settings.timeout.total_seconds(),
    )
