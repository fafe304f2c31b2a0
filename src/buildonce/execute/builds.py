"""The steps of a build: bake, read back, record."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from buildonce import bake, events
from buildonce.bake import Base
from buildonce.config import Project
from buildonce.errors import IntegrityError, PreconditionError
from buildonce.execute.ports import Builder, Images, Progress
from buildonce.git import Git
from buildonce.ledger import Ledger
from buildonce.parallel import run_all, run_by_key
from buildonce.refs import Digest, ImageRef
from buildonce.release import Image, Release
from buildonce.steps import (
    Bake,
    RecordRelease,
)


@dataclass
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
    _built: dict[str, Image] = field(default_factory=dict)

    def bake(self, step: Bake) -> None:
        """Build and push, then read every image back."""
        with self.definition(step) as definition:
            pushed = self.builder().bake(definition, self.progress.log)
        self._built = run_by_key(
            lambda name: self._read_back(step, name, pushed.get(name)),
            {name: name for name in step.tags},
        )

    def record(self, step: RecordRelease) -> None:
        """Write what was built into the ledger; where another build was first, agree with it."""
        release = Release(
            revision=self.git.commit(step.sha).revision,
            sha=step.sha,
            expects=tuple(self.project.services),
            services={name: self._built[name] for name in step.services},
            built_at=self.now(),
            built_by=self.git.identity(),
            built_with=self.host,
        )
        after = self.ledger.append(lambda snapshot: events.built(snapshot, release))
        recorded = after.release(step.sha)
        assert recorded is not None
        run_all(lambda name: self._agree(recorded, name), step.services)

    @contextmanager
    def definition(self, step: Bake, shown_as: Path | None = None) -> Iterator[dict[str, Any]]:
        """Export the commit and give the bake definition of its images.

        ``shown_as`` stands in for the exported folder's name where people read it.
        """
        commit = self.git.commit(step.revision)
        with tempfile.TemporaryDirectory(prefix="buildonce-") as folder:
            root = self.git.export(step.revision, Path(folder) / "tree")
            yield bake.definition(
                self.project,
                commit,
                shown_as or root,
                step.tags,
                self._bases(root, step.tags),
                self.project.source or self.git.source_url(self.project.ledger_remote),
            )

    def _bases(self, root: Path, services: Mapping[str, ImageRef]) -> dict[str, Base]:
        names = {service: self._base_name(root, service) for service in services}
        wanted = {name: name for name in names.values() if name}
        pinned = run_by_key(self._pin, wanted)
        return {service: pinned[name] for service, name in names.items() if name}

    def _base_name(self, root: Path, service: str) -> str | None:
        table = self.project.service(service)
        path = self.project.dockerfile(service)
        try:
            content = (root / path).read_text(encoding="utf-8")
            return bake.final_base(content, table.target, table.args)
        except (OSError, UnicodeDecodeError) as error:
            raise PreconditionError(
                f"service {service}: {path} cannot be read in this commit: {error.args[-1]}",
                hint=f"commit it, or set tool.buildonce.services.{service}.dockerfile",
            ) from None
        except PreconditionError as error:
            raise PreconditionError(f"service {service}, {path}: {error.message}") from None

    def _pin(self, name: str) -> Base:
        ref = ImageRef.parse(self.project.bases.get(name, name))
        digest = Digest(ref.reference) if ref.by_digest else self.images.digest(ref)
        if digest is None:
            raise PreconditionError(
                f"the base image {ref} is not in its registry",
                hint=f'name another in [tool.buildonce.bases]: "{name}" = "…"',
            )
        return Base(name, ref.repository.at(digest))

    def _read_back(self, step: Bake, service: str, pushed: Digest | None) -> Image:
        ref = step.tags[service]
        manifest = self.images.manifest(ref)
        if manifest is None or not manifest.is_plain:
            found = manifest.media_type if manifest else "nothing"
            raise IntegrityError(
                f"{ref} was pushed as {pushed}, and the registry has {found} there",
                hint="inv doctor   (the builder, and whether the registry keeps what it gets)",
            )
        revision = self.images.revision(manifest)
        if revision != step.revision:
            raise IntegrityError(
                f"{ref} says it is built from {revision}, not {step.revision}",
                hint="the Dockerfile must not set org.opencontainers.image.revision itself",
            )
        if manifest.digest != pushed:
            self.progress.note(f"{ref}: another build of this commit pushed at the same time")
        return Image(image=str(ref.repository), digest=manifest.digest)

    def _agree(self, recorded: Release, service: str) -> None:
        image = recorded.services[service]
        tag = image.tag(recorded.sha)
        if self.images.digest(tag) != image.digest:
            self.progress.note(f"{tag}: another build was recorded first; its bytes count")
            self.images.point(tag, image.digest)
