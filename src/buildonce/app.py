"""Puts the parts together for one command; each part is made when it is first needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

from buildonce import ci, config
from buildonce.execute.budget import budget
from buildonce.execute.builds import Builds
from buildonce.execute.copies import Copies
from buildonce.execute.executor import Executor
from buildonce.execute.loading import Loading
from buildonce.execute.ports import Builder, Copier
from buildonce.execute.preview import preview
from buildonce.execute.promotions import Promotions
from buildonce.execute.prunings import Prunings
from buildonce.execute.repositories import Repositories
from buildonce.execute.run import Run
from buildonce.git.repository import Commit, Git
from buildonce.ledger.branch import open_branch
from buildonce.ledger.records.promotion import Promotion
from buildonce.ledger.store import Ledger
from buildonce.plan import steps
from buildonce.plan.plans import Plan
from buildonce.registry import Registry
from buildonce.report.terminal import Reporter
from buildonce.targets import Targets


@dataclass
class App:
    """One command's parts.

    ``root`` is the folder with ``tasks.py``, ``table`` the configuration that Invoke merged.
    With ``dry_run``, plans are printed instead of executed.
    """

    root: Path
    table: Mapping[str, Any]
    dry_run: bool = False
    report: Reporter = field(default_factory=Reporter)

    @cached_property
    def project(self) -> config.Project:
        """The validated configuration."""
        return config.parse(self.table)

    @cached_property
    def git(self) -> Git:
        """The repository that the project is in."""
        return Git(self.root)

    @cached_property
    def ledger(self) -> Ledger:
        """The history of releases and promotions."""
        project = self.project
        return Ledger(open_branch(self.git, project.ledger_branch, project.ledger_remote))

    @cached_property
    def registry(self) -> Registry:
        """The registries."""
        return Registry(insecure=self.project.plain_http, notice=self.report.note)

    @cached_property
    def repositories(self) -> Repositories:
        """What creates repositories that are missing."""
        return Repositories(self.project.create_repository, self.root, self.registry)

    @cached_property
    def builds(self) -> Builds:
        """What builds images and records them."""
        return Builds(
            self.project, self.git, self.ledger, self.registry, self.repositories, _buildx,
            self.report, now, ci.here(),
        )  # fmt: skip

    @cached_property
    def executor(self) -> Executor:
        """What walks plans."""
        project, git, ledger, registry = self.project, self.git, self.ledger, self.registry
        promotions = Promotions(ledger, registry, self.report, git.identity, now, self._announce)
        copies = Copies(registry, self.repositories, _imagetools, self.report)
        loading = Loading(ledger, registry, self.repositories, self.report)
        prunings = Prunings(project.prune, git, ledger, registry, now)
        return Executor(
            {
                steps.CarryOver: self.builds.carry_over,
                steps.Import: self.builds.carry_over,
                steps.Bake: self.builds.bake,
                steps.RecordRelease: self.builds.record,
                steps.CopyImages: copies.copy_images,
                steps.LoadImage: loading.load_image,
                steps.RecordLoaded: loading.record,
                steps.Prepare: promotions.prepare,
                steps.OpenPromotion: promotions.open,
                steps.TakeOver: promotions.take_over,
                steps.PreDeploy: promotions.pre_deploy,
                steps.Deploy: promotions.deploy,
                steps.Confirm: promotions.confirm,
                steps.LookAgain: promotions.look_again,
                steps.Point: promotions.point,
                steps.Unpoint: promotions.unpoint,
                steps.ClosePromotion: promotions.close,
                steps.PruneReleases: prunings.prune,
                steps.RemoveTag: prunings.remove_tag,
                steps.ForgetReleases: prunings.forget,
                steps.RetireEnvironment: prunings.retire,
            },
            promotions,
            self.report,
        )

    def _announce(self, promotion: Promotion) -> None:
        """Tell others how a promotion ended: the command of ``notify``, and GitHub."""
        from buildonce.announce.command import Command
        from buildonce.announce.github import Deployments

        environments = self.project.environments
        urls = {name: environment.url for name, environment in environments.items()}
        Command(self.project.notify, self.root, self.report.note)(promotion)
        Deployments(ci.github(os.environ), self._revision, urls, self.report.note)(promotion)

    def _revision(self, sha: str) -> str:
        release = self.ledger.read().release(sha)
        return release.revision if release else sha

    @cached_property
    def targets(self) -> Targets:
        """Where environments run."""
        from buildonce.engines import bind, observe, remains

        return Targets(self.project, self.git, bind, remains, observe)

    def commit(self, name: str = "HEAD") -> Commit:
        """Return a commit by any of its names."""
        return self.git.commit(name)

    def sha(self, commit: Commit) -> str:
        """Return the tag of a commit."""
        return commit.sha(self.project.sha_length)

    def carry_out(self, plan: Plan, *, details: bool = True) -> Run:
        """Execute a plan, or print it in a dry run. A plan without steps says why.

        Without ``details``, a dry run leaves out what Buildx gets.
        """
        if not plan.steps:
            self.report.say(plan.summary)
        elif self.dry_run:
            lines = preview(plan.steps, self.builds, details=details)
            self.report.plan(plan, [*lines, *budget(plan.steps, self.registry.sent)])
        else:
            return self.executor.run(plan)
        return Run()


def now() -> datetime:
    """Return the present time, in UTC, without fractions of a second."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def _buildx() -> Builder:
    from buildonce.build.buildx import Buildx

    return Buildx()


def _imagetools() -> Copier:
    from buildonce.build.imagetools import Imagetools

    return Imagetools()
