"""Walks a plan: the only place that writes."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from buildonce import bake, events
from buildonce.bake import Base
from buildonce.config import Project
from buildonce.errors import (
    BrokenError,
    BuildonceError,
    IntegrityError,
    PreconditionError,
    StoppedError,
)
from buildonce.git import Git
from buildonce.ledger import Ledger
from buildonce.parallel import run_all, run_by_key
from buildonce.plan import (
    Bake,
    ClosePromotion,
    OpenPromotion,
    Plan,
    Point,
    RecordRelease,
    Step,
    TakeOver,
    Unpoint,
    pointers_back,
)
from buildonce.refs import Digest, ImageRef
from buildonce.registry import Manifest
from buildonce.release import Image, Release

FRESH = 1.0
"""Seconds for which having seen that the ledger still names us holder is enough."""


class Builder(Protocol):
    """What builds and pushes images."""

    def bake(
        self, definition: Mapping[str, Any], on_log: Callable[[str], None]
    ) -> dict[str, Digest]:
        """Build every target of a bake definition; return what was pushed."""
        ...


class Images(Protocol):
    """What holds images."""

    def manifest(self, ref: ImageRef) -> Manifest | None:
        """Return what a reference names."""
        ...

    def digest(self, ref: ImageRef) -> Digest | None:
        """Return the digest of what a reference names."""
        ...

    def revision(self, manifest: Manifest) -> str | None:
        """Return the commit that an image's label names."""
        ...

    def point(self, tag: ImageRef, digest: Digest) -> None:
        """Make a tag name a digest, and read it back."""
        ...

    def remove_tag(self, tag: ImageRef) -> None:
        """Remove a tag and nothing else."""
        ...


class Progress(Protocol):
    """Whoever watches."""

    def step(self, sentence: str) -> AbstractContextManager[None]:
        """Show a step for as long as it takes, then how long it took."""
        ...

    def log(self, line: str) -> None:
        """Show a line of a tool's log."""
        ...

    def note(self, sentence: str) -> None:
        """Say something worth knowing."""
        ...


@dataclass
class Executor:
    """Walks plans against the real parts; ``now`` gives the time of what is recorded."""

    project: Project
    git: Git
    ledger: Ledger
    images: Images
    builder: Callable[[], Builder]
    progress: Progress
    now: Callable[[], datetime]
    _built: dict[str, Image] = field(default_factory=dict)
    _holding: OpenPromotion | None = None
    _seen_at: float = 0.0

    def run(self, plan: Plan) -> None:
        """Do every step, neighbouring pointers at the same time.

        A promotion that fails is put back; one that is interrupted stays open, to be resumed
        or aborted.

        Raises:
            BuildonceError: what a step raised, after things were put back.
            BrokenError: they could not be put back.
        """
        try:
            for kind, steps in groupby(plan.steps, type):
                if kind in (Point, Unpoint):
                    run_all(self._do, steps)
                else:
                    for step in steps:
                        self._do(step)
        except StoppedError as error:
            raise self._left_open(error) from None
        except BuildonceError as error:
            if self._holding is not None:
                self._put_back(plan, error)
            raise

    def details(self, plan: Plan) -> list[str]:
        """Return the exact commands and requests behind a plan's steps, for a dry run."""
        lines = []
        for step in plan.steps:
            match step:
                case Bake():
                    with self._definition(step, Path("COMMIT")) as definition:
                        text = json.dumps(definition, indent=2)
                    lines += ["docker buildx bake --file bake.json, where bake.json is", text]
                case Point():
                    path = f"/v2/{step.tag.repository.path}/manifests/"
                    lines += [f"GET {path}{step.new}", f"PUT {path}{step.tag.reference}"]
        return lines

    def _do(self, step: Step) -> None:
        with self.progress.step(step.describe()):
            match step:
                case Bake():
                    self._bake(step)
                case RecordRelease():
                    self._record_release(step)
                case Point():
                    self._check_still_holding()
                    self.images.point(step.tag, step.new)
                case Unpoint():
                    self._check_still_holding()
                    self.images.remove_tag(step.tag)
                case OpenPromotion():
                    self.ledger.append(lambda snapshot: events.opened(snapshot, step))
                    self._hold(step)
                case TakeOver():
                    self.ledger.append(lambda snapshot: events.taken_over(snapshot, step))
                    taken = step.operation.model_copy(update={"id": step.new_id})
                    self._hold(OpenPromotion(step.environment, taken))
                case ClosePromotion():
                    at = self.now()
                    self.ledger.append(lambda snapshot: events.closed(snapshot, step, at))
                    self._holding = None

    def _bake(self, step: Bake) -> None:
        with self._definition(step) as definition:
            pushed = self.builder().bake(definition, self.progress.log)
        self._built = run_by_key(
            lambda name: self._read_back(step, name, pushed.get(name)), {n: n for n in step.tags}
        )

    @contextmanager
    def _definition(self, step: Bake, shown_as: Path | None = None) -> Iterator[dict[str, Any]]:
        commit = self.git.commit(step.revision)
        with tempfile.TemporaryDirectory(prefix="buildonce-") as folder:
            root = self.git.export(step.revision, Path(folder) / "tree")
            yield bake.definition(
                self.project, commit, shown_as or root, step.tags, self._bases(root, step.tags),
                self.project.source or self.git.source_url(self.project.ledger_remote),
            )  # fmt: skip

    def _bases(self, root: Path, services: Mapping[str, ImageRef]) -> dict[str, Base]:
        names: dict[str, str] = {}
        for service in services:
            table = self.project.service(service)
            path = self.project.dockerfile(service)
            try:
                content = (root / path).read_text(encoding="utf-8")
                base = bake.final_base(content, table.target, table.args)
            except (OSError, UnicodeDecodeError) as error:
                raise PreconditionError(
                    f"service {service}: {path} cannot be read in this commit: {error.args[-1]}",
                    hint=f"commit it, or set tool.buildonce.services.{service}.dockerfile",
                ) from None
            except PreconditionError as error:
                raise PreconditionError(f"service {service}, {path}: {error.message}") from None
            if base:
                names[service] = base
        pinned = run_by_key(self._pin, {name: name for name in names.values()})
        return {service: pinned[name] for service, name in names.items()}

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
            raise IntegrityError(f"{ref} says it is built from {revision}, not {step.revision}")
        if manifest.digest != pushed:
            self.progress.note(f"{ref}: another build of this commit pushed at the same time")
        return Image(image=str(ref.repository), digest=manifest.digest)

    def _record_release(self, step: RecordRelease) -> None:
        release = Release(
            revision=self.git.commit(step.sha).revision,
            sha=step.sha,
            expects=tuple(self.project.services),
            services={name: self._built[name] for name in step.services},
            built_at=self.now(),
            built_by=self.git.identity(),
            built_with=events.host_name(),
        )
        after = self.ledger.append(lambda snapshot: events.built(snapshot, release))
        recorded = after.release(step.sha)
        assert recorded is not None
        run_all(lambda name: self._agree(recorded, name), step.services)

    def _agree(self, recorded: Release, service: str) -> None:
        image = recorded.services[service]
        tag = image.tag(recorded.sha)
        if self.images.digest(tag) != image.digest:
            self.progress.note(f"{tag}: another build was recorded first; its bytes count")
            self.images.point(tag, image.digest)

    def _hold(self, opened: OpenPromotion) -> None:
        self._holding = opened
        self._seen_at = time.monotonic()

    def _check_still_holding(self) -> None:
        if self._holding is None or time.monotonic() - self._seen_at < FRESH:
            return
        record = self.ledger.read().environment(self._holding.environment)
        events.require_holder(record, self._holding.operation)
        self._seen_at = time.monotonic()

    def _put_back(self, plan: Plan, cause: BuildonceError) -> None:
        opened, self._holding = self._holding, None
        assert opened is not None
        close = plan.steps[-1]
        if not isinstance(close, ClosePromotion) or close.outcome != "done":
            raise cause
        self.progress.note(f"failed: {cause.message}")
        try:
            for step in self._steps_back(opened):
                self._do(step)
            self._do(
                ClosePromotion(opened.environment, opened.operation, "failed", cause.message)
            )
        except BuildonceError as error:
            raise BrokenError(
                f"{cause.message}\nand {opened.environment} could not be put back: {error.message}",
                hint=f"inv abort {opened.environment}, or inv resume {opened.environment}",
            ) from None

    def _steps_back(self, opened: OpenPromotion) -> tuple[Point | Unpoint, ...]:
        snapshot = self.ledger.read()
        operation = opened.operation
        events.require_holder(snapshot.environment(opened.environment), operation)
        release = snapshot.release(operation.release)
        previous = snapshot.release(operation.previous) if operation.previous else None
        assert release is not None
        services = {**release.services, **(previous.services if previous else {})}
        refs = {name: image.tag(opened.environment) for name, image in services.items()}
        pointers = run_by_key(self.images.digest, refs)
        return pointers_back(opened.environment, release, previous, pointers)

    def _left_open(self, error: StoppedError) -> StoppedError:
        if self._holding is None:
            return error
        name = self._holding.environment
        return type(error)(
            f"{error.message}: the promotion of {name} is still open",
            hint=f"inv resume {name} finishes it, inv abort {name} puts it back",
        )
