"""What executing a plan needs of the outside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, Protocol

from buildonce.plan.steps import Step
from buildonce.refs import Digest, ImageRef, Repository
from buildonce.registry import Manifest


class Builder(Protocol):
    """What builds and pushes images."""

    def bake(
        self,
        definition: Mapping[str, Any],
        policy: Mapping[str, Any],
        on_log: Callable[[str], None],
        secrets: Collection[str] = (),
    ) -> dict[str, Digest]:
        """Build a bake definition's targets under a source policy; return what was pushed.

        No value of ``secrets`` reaches the log.
        """
        ...


class Copier(Protocol):
    """What copies images between registries."""

    def copy(self, source: ImageRef, tag: ImageRef) -> None:
        """Make a tag name the image, with all its parts."""
        ...


class Images(Protocol):
    """What holds images."""

    def manifest(self, ref: ImageRef) -> Manifest | None:
        """Return what a reference names."""
        ...

    def digest(self, ref: ImageRef) -> Digest | None:
        """Return the digest of what a reference names."""
        ...

    def has_blob(self, repository: Repository, digest: Digest) -> bool:
        """Tell whether a blob is there."""
        ...

    def settled(self, tag: ImageRef, expected: Digest | None) -> Digest | None:
        """Return what a tag names, giving it a moment to be what was just written."""
        ...

    def revision(self, manifest: Manifest) -> str | None:
        """Return the commit that an image's label names."""
        ...

    def point(self, tag: ImageRef, digest: Digest) -> None:
        """Make a tag name a digest, and read it back."""
        ...

    def tag(self, tag: ImageRef, manifest: Manifest) -> None:
        """Make a tag name a manifest, and read it back."""
        ...

    def mount_blob(self, repository: Repository, digest: Digest, source: Repository) -> bool:
        """Have a blob of another repository in this one too; tell whether it is there."""
        ...

    def require_removal(self, repository: Repository) -> None:
        """Refuse where nothing can be removed from a repository."""
        ...

    def remove_tag(self, tag: ImageRef) -> None:
        """Remove a tag and nothing else."""
        ...


class Uploads(Protocol):
    """What images are uploaded to."""

    def has_blob(self, repository: Repository, digest: Digest) -> bool:
        """Tell whether a blob is there."""
        ...

    def write_blob(self, repository: Repository, digest: Digest, file: BinaryIO, size: int) -> None:
        """Upload a blob from a file."""
        ...

    def put_manifest(self, ref: ImageRef, content: bytes, media_type: str) -> None:
        """Write a manifest under a tag or digest."""
        ...

    def tag(self, tag: ImageRef, manifest: Manifest) -> None:
        """Make a tag name a manifest, and read it back."""
        ...


class Progress(Protocol):
    """Whoever watches."""

    def doing(self, steps: Sequence[Step]) -> AbstractContextManager[None]:
        """Show a step, or several of a kind, for as long as it takes, then how long it took."""
        ...

    def log(self, line: str) -> None:
        """Show a line of a tool's log."""
        ...

    def note(self, sentence: str) -> None:
        """Say something worth knowing."""
        ...
