"""The steps of a build: bake, read back, record."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from pathlib import Path, PurePath
from typing import Any

from buildonce.build import bake, policy, secrets
from buildonce.config import Project
from buildonce.errors import IntegrityError, PreconditionError, UnavailableError
from buildonce.execute.ports import Builder, Images, Progress
from buildonce.execute.repositories import Repositories
from buildonce.execute.run import Run
from buildonce.execute.sources import Sources
from buildonce.git.repository import Git
from buildonce.ledger import releases
from buildonce.ledger.records.release import ImageRecord, Release
from buildonce.ledger.store import Ledger
from buildonce.parallel import run_all, run_by_key
from buildonce.plan.availability import lost
from buildonce.plan.steps import (
    Bake,
    CarryOver,
    Import,
    RecordRelease,
)
from buildonce.refs import Digest, ImageRef
from buildonce.registry import Manifest

_NOT_PUSHED = "failed to push {}:"
"""What BuildKit says of an image that it has built and the registry does not take."""


@dataclass(frozen=True)
class Builds:
    """Builds a commit's images and records what they hash to.

    ``now`` gives the time of what is recorded, ``host`` says where this runs.
    """

    project: Project
    git: Git
    ledger: Ledger
    images: Images
    repositories: Repositories
    builder: Callable[[], Builder]
    progress: Progress
    now: Callable[[], datetime]
    host: str

    def carry_over(self, step: CarryOver | Import, run: Run) -> Run:
        """Tag what was built before, or elsewhere; manifests were read when this was planned.

        Raises:
            IntegrityError: the registry refuses a tag, because it has lost parts of the image.
        """
        try:
            run_all(lambda image: self.images.tag(image.tag, image.manifest), step.images.values())
        except UnavailableError:
            self._require_available(step)
            raise
        carried = {name: image.record for name, image in step.images.items()}
        return replace(run, images={**run.images, **carried})

    def _require_available(self, step: CarryOver | Import) -> None:
        refs = {name: image.record.ref for name, image in step.images.items()}
        missing = lost(refs, self.images)
        if not missing:
            return
        sha = next(iter(step.images.values())).tag.reference
        chosen = " ".join(f"--service={name}" for name in missing)
        raise IntegrityError(
            "the registry has lost parts of images that did not change:\n  "
            + "\n  ".join(f"{refs[name]}: {', '.join(its)}" for name, its in missing.items()),
            hint="have them pushed again by what builds them"
            if isinstance(step, Import)
            else f'inv build --sha {sha} {chosen} --fresh --reason="the registry lost parts"; '
            f"then inv build --sha {sha}",
        )

    def bake(self, step: Bake, run: Run) -> Run:
        """Build and push, then read every image back.

        Where a build before this one pushed a commit's tag, never recorded it, and the tag cannot
        be overwritten, the image gets another tag beside it.
        """
        for _ in step.targets:
            try:
                return self._bake(step, run)
            except PreconditionError as error:
                beside = self._beside(step, error.message)
                if beside is None:
                    raise
                step = beside
        return self._bake(step, run)

    def _bake(self, step: Bake, run: Run) -> Run:
        places = [target.tag.repository for target in step.targets.values()]
        self.repositories.ensure(places)
        with (
            tempfile.TemporaryDirectory(prefix="buildonce-") as folder,
            ThreadPoolExecutor(2) as aside,
        ):
            builder = aside.submit(self.builder)  # loading its library takes as long as the export
            cached = aside.submit(self.cached, step)
            sources = Sources.export(self.git, step, Path(folder))
            definition = self.definition(step, sources.root, sources.contexts, cached.result())
            rules = policy.pinning(target.inputs.pins for target in step.targets.values())
            try:
                values = secrets.values(self.project, step.targets)
                pushed = builder.result().bake(definition, rules, self.progress.log, values)
            except PreconditionError as error:
                self.repositories.explain(places)
                raise sources.explained(error) from None
        images = run_by_key(
            lambda name: self._read_back(step, name, pushed.get(name)),
            {name: name for name in step.targets},
        )
        return replace(run, images={**run.images, **images})

    def _beside(self, step: Bake, complaint: str) -> Bake | None:
        """Return a build with another tag for the image whose push failed, if its tag is taken."""
        for name, target in step.targets.items():
            if _NOT_PUSHED.format(target.tag) in complaint and self.images.digest(target.tag):
                free = self._free(target.tag)
                self.progress.note(
                    f"{target.tag} was pushed before, without a record, and is not overwritten: "
                    f"{name} is pushed as {free.reference}"
                )
                moved = {name: replace(target, tag=free)}
                return replace(step, targets={**step.targets, **moved})
        return None

    def _free(self, tag: ImageRef) -> ImageRef:
        """Return the first tag that names nothing: with ``-2``, ``-3``."""
        beside = (tag.repository.tag(f"{tag.reference}-{number}") for number in count(2))
        return next(tag for tag in beside if self.images.digest(tag) is None)

    def record(self, step: RecordRelease, run: Run) -> Run:
        """Write what was built into the ledger; where another build was first, agree with it."""
        release = Release(
            revision=step.revision,
            sha=step.sha,
            expects=tuple(self.project.services),
            services={},
            built_at=self.now(),
            built_by=self.git.identity(),
            built_with=self.host,
        )
        images = {name: run.images[name] for name in step.services}
        after = self.ledger.append(lambda snapshot: releases.built(snapshot, release, images))
        recorded = after.release(step.sha)
        assert recorded is not None
        built = [name for name in images if images[name].revision == step.revision]
        others = [
            name
            for name in images
            if name not in built and recorded.services[name].digest != images[name].digest
        ]
        run_all(lambda name: self._agree(recorded, name, images[name]), [*built, *others])
        return replace(run, release=recorded)

    def definition(
        self,
        step: Bake,
        root: PurePath,
        contexts: Mapping[str, PurePath],
        cached: Collection[str],
    ) -> dict[str, Any]:
        """Return the bake definition of what is built, for sources that are in these folders."""
        return bake.definition(
            self.project,
            step.commit,
            root,
            contexts,
            {name: target.tag for name, target in step.targets.items()},
            {name: target.inputs.pins for name, target in step.targets.items()},
            self.project.source or self.git.source_url(self.project.ledger_remote),
            cached,
            fresh=step.fresh,
        )

    def cached(self, step: Bake) -> list[str]:
        """Return the services that have a layer cache: Buildx calls a missing one an error."""
        if not self.project.cache or step.fresh:
            return []
        places = {
            name: target.tag.repository.tag(bake.CACHE_TAG) for name, target in step.targets.items()
        }
        return [name for name, digest in run_by_key(self.images.digest, places).items() if digest]

    def _read_back(self, step: Bake, service: str, pushed: Digest | None) -> ImageRecord:
        target = step.targets[service]
        ref, inputs = target.tag, target.inputs
        if pushed is None:
            raise IntegrityError(
                f"{ref}: Buildx does not tell the digest of what it pushed", hint="inv doctor"
            )
        manifest = self.images.manifest(ref.repository.at(pushed))
        if manifest is None or not self._is_as_asked(manifest):
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
        return ImageRecord(
            image=str(ref.repository),
            digest=manifest.digest,
            identity=inputs.identity,
            revision=revision,
            settings=inputs.settings,
            sources={name: str(image) for name, image in inputs.pins.images.items()},
            generation=target.generation,
            reason=target.reason,
            platforms=manifest.platforms,
            suffix=ref.reference.removeprefix(step.commit.sha(self.project.sha_length)),
        )

    def _is_as_asked(self, manifest: Manifest) -> bool:
        """Tell whether it is a plain manifest, or the index of several platforms and no others."""
        platforms = self.project.platforms
        if len(platforms) == 1:
            return manifest.is_plain
        return manifest.platforms.keys() == set(platforms)

    def _agree(self, recorded: Release, service: str, built: ImageRecord) -> None:
        image = recorded.services[service]
        tag = recorded.tag_of(service)
        if self.images.digest(tag) == image.digest:
            return
        if built.digest == image.digest:
            self.progress.note(f"{tag}: something else was pushed there; the recorded bytes count")
        else:
            self.progress.note(f"{tag}: another build was recorded first; its digest is used")
        self.images.point(tag, image.digest)
