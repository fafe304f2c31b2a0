"""The steps of a build: bake, read back, record."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from buildonce.build import bake, policy
from buildonce.config import Project
from buildonce.errors import IntegrityError
from buildonce.execute.ports import Builder, Images, Progress
from buildonce.execute.run import Run
from buildonce.git.repository import Git
from buildonce.ledger import events
from buildonce.ledger.records.release import Image, Release
from buildonce.ledger.store import Ledger
from buildonce.parallel import run_all, run_by_key
from buildonce.plan.steps import (
    Bake,
    RecordRelease,
)
from buildonce.refs import Digest, ImageRef


@dataclass(frozen=True)
class Builds:
    """Builds a commit's images and records what they hash to.

    ``now`` gives the time of what is recorded, ``host`` says where this runs.
    """

    project: Project
    git: Git
    ledger: Ledger
    images: Images
    builder: Callable[[], Builder]
    progress: Progress
    now: Callable[[], datetime]
    host: str

    def bake(self, step: Bake, run: Run) -> Run:
        """Build and push, then read every image back."""
        with ThreadPoolExecutor(1) as aside:
            builder = aside.submit(self.builder)  # loading its library takes as long as the export
            with self.definition(step) as definition:
                pushed = builder.result().bake(
                    definition, policy.pinning(step.pins.values()), self.progress.log
                )
        images = run_by_key(
            lambda name: self._read_back(step, name, pushed.get(name)),
            {name: name for name in step.tags},
        )
        return replace(run, images=images)

    def record(self, step: RecordRelease, run: Run) -> Run:
        """Write what was built into the ledger; where another build was first, agree with it."""
        release = Release(
            revision=step.revision,
            sha=step.sha,
            expects=tuple(self.project.services),
            services={name: run.images[name] for name in step.services},
            built_at=self.now(),
            built_by=self.git.identity(),
            built_with=self.host,
        )
        after = self.ledger.append(lambda snapshot: events.built(snapshot, release))
        recorded = after.release(step.sha)
        assert recorded is not None
        run_all(lambda name: self._agree(recorded, name, run.images[name]), step.services)
        return replace(run, release=recorded)

    @contextmanager
    def definition(self, step: Bake, shown_as: Path | None = None) -> Iterator[dict[str, Any]]:
        """Export the commit and give the bake definition of its images.

        ``shown_as`` stands in for the exported folder's name where people read it.
        """
        commit = step.commit
        with (
            tempfile.TemporaryDirectory(prefix="buildonce-") as folder,
            ThreadPoolExecutor(1) as aside,
        ):
            cached = aside.submit(self._cached, step.tags)
            tree = Path(folder) / "tree"
            root = self.git.export(commit.revision, tree)
            if (tree / ".gitmodules").exists():
                self.progress.note("git submodules are left out: a commit has no files of theirs")
            yield bake.definition(
                self.project,
                commit,
                shown_as or root,
                step.tags,
                step.pins,
                self.project.source or self.git.source_url(self.project.ledger_remote),
                cached.result(),
            )

    def _cached(self, tags: Mapping[str, ImageRef]) -> list[str]:
        """Return the services that have a layer cache: Buildx calls a missing one an error."""
        if not self.project.cache:
            return []
        places = {name: ref.repository.tag(bake.CACHE_TAG) for name, ref in tags.items()}
        return [name for name, digest in run_by_key(self.images.digest, places).items() if digest]

    def _read_back(self, step: Bake, service: str, pushed: Digest | None) -> Image:
        ref = step.tags[service]
        if pushed is None:
            raise IntegrityError(
                f"{ref}: Buildx does not tell the digest of what it pushed", hint="inv doctor"
            )
        manifest = self.images.manifest(ref.repository.at(pushed))
        if manifest is None or not manifest.is_plain:
            found = manifest.media_type if manifest else "nothing"
            raise IntegrityError(
                f"{ref} was pushed as {pushed}, and the registry has {found} there",
                hint="inv doctor   (the builder, and whether the registry keeps what it gets)",
            )
        revision = self.images.revision(manifest)
        if revision != step.commit.revision:
            raise IntegrityError(
                f"{ref} says it is built from {revision}, not {step.commit.revision}",
                hint="the Dockerfile must not set org.opencontainers.image.revision itself",
            )
        return Image(image=str(ref.repository), digest=manifest.digest)

    def _agree(self, recorded: Release, service: str, built: Image) -> None:
        image = recorded.services[service]
        tag = image.tag(recorded.sha)
        if self.images.digest(tag) == image.digest:
            return
        if built.digest == image.digest:
            self.progress.note(f"{tag}: something else was pushed there; the recorded bytes count")
        else:
            self.progress.note(f"{tag}: another build was recorded first; its bytes count")
        self.images.point(tag, image.digest)
