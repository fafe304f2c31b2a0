"""The steps that plans are made of. Pure data: ``execute`` does them, ``report`` words them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from buildonce.archive.reading import ArchiveFile
from buildonce.build.inputs import Inputs
from buildonce.engines.base import Engine
from buildonce.git.repository import Commit
from buildonce.ledger.records.promotion import Ending, Promotion
from buildonce.ledger.records.release import ImageRecord, Release
from buildonce.refs import Digest, ImageRef, Repository
from buildonce.registry import Manifest

MANY = 8
"""More neighbours of a kind than these are shown as one line."""


@dataclass(frozen=True)
class Target:
    """An image to build: where to push it, of what inputs, and why it is built.

    ``generation`` counts the builds of the same inputs; ``reason`` is recorded where there is
    another than the first.
    """

    tag: ImageRef
    inputs: Inputs
    why: str
    generation: int = 1
    reason: str = ""


@dataclass(frozen=True)
class Bake:
    """Build services' images in one Buildx invocation and push them.

    With ``fresh``, nothing is taken from a layer cache.
    """

    commit: Commit
    targets: Mapping[str, Target]
    fresh: bool = False


@dataclass(frozen=True)
class Carried:
    """An image of the same inputs, built from another commit, and its manifest as it is now."""

    tag: ImageRef
    record: ImageRecord
    manifest: Manifest


@dataclass(frozen=True)
class CarryOver:
    """Tag images whose inputs have not changed since they were built, byte for byte."""

    images: Mapping[str, Carried]


@dataclass(frozen=True)
class Import:
    """Tag images that were built elsewhere, byte for byte."""

    images: Mapping[str, Carried]


@dataclass(frozen=True)
class RecordRelease:
    """Write the digests of what was built into the ledger; the first to write them wins."""

    revision: str
    sha: str
    services: tuple[str, ...]


@dataclass(frozen=True)
class LoadImage:
    """Upload a service's image from an archive, and tag it."""

    archive: ArchiveFile
    service: str
    tag: ImageRef
    digest: Digest


@dataclass(frozen=True)
class RecordLoaded:
    """Write a release that an archive brought into the ledger, and its bundles by path."""

    release: Release
    images: Mapping[str, ImageRecord]
    bundles: Mapping[str, str]


@dataclass(frozen=True)
class Point:
    """Make a tag name a digest, byte for byte, and read it back.

    One that ``may_wait`` stays as it is where the registry does not answer.
    """

    service: str
    tag: ImageRef
    old: Digest | None
    new: Digest
    may_wait: bool = False


@dataclass(frozen=True)
class Unpoint:
    """Remove a pointer: the environment no longer runs this service.

    It stays where the registry removes nothing and, if it ``may_wait``, where it does not answer.
    """

    service: str
    tag: ImageRef
    old: Digest | None
    may_wait: bool = False


@dataclass(frozen=True)
class Copy:
    """An image on its way to the registry that an environment pulls from.

    ``there`` says that its bytes are there already, so that only ``tag`` is missing.
    """

    service: str
    source: ImageRef
    tag: ImageRef
    digest: Digest
    there: bool


@dataclass(frozen=True)
class CopyImages:
    """Bring images into an environment's own registry, byte for byte, and read them back."""

    environment: str
    copies: tuple[Copy, ...]


@dataclass(frozen=True)
class Prepare:
    """Check that the engine can run its release and pull the images, so the switch is short."""

    engine: Engine


@dataclass(frozen=True)
class PreDeploy:
    """Run the environment's one-off command with the new release's bytes."""

    engine: Engine
    service: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Deploy:
    """Make the engine's containers run its release by digest, and wait until all is well."""

    engine: Engine


@dataclass(frozen=True)
class Confirm:
    """Read the running containers and compare them with the release."""

    engine: Engine


@dataclass(frozen=True)
class LookAgain:
    """Read the running containers once more, when a former holder would have noticed its loss."""

    engine: Engine


@dataclass(frozen=True)
class OpenPromotion:
    """Write the intent into the ledger: from now on it locks the environment."""

    promotion: Promotion


@dataclass(frozen=True)
class TakeOver:
    """Become the holder of a promotion that was left open; its ``former`` holder loses it."""

    former: Promotion
    promotion: Promotion


@dataclass(frozen=True)
class ClosePromotion:
    """Write the outcome into the ledger."""

    promotion: Promotion
    outcome: Ending
    message: str = ""


@dataclass(frozen=True)
class PruneReleases:
    """Take releases out of use in the ledger: nothing can be promoted to them any more.

    ``repositories`` are those that tags will be removed from.
    """

    shas: tuple[str, ...]
    repositories: frozenset[Repository]


@dataclass(frozen=True)
class RemoveTag:
    """Remove the tag of a pruned release and nothing else."""

    sha: str
    tag: ImageRef


@dataclass(frozen=True)
class ForgetReleases:
    """Write into the ledger that the tags of pruned releases are gone, if they are.

    ``tags`` are those of each release.
    """

    tags: Mapping[str, Sequence[ImageRef]]


@dataclass(frozen=True)
class RetireEnvironment:
    """Take an environment out of the ledger: nothing keeps releases for it any more."""

    environment: str
    reason: str


Step = (
    Bake
    | CarryOver
    | Import
    | RecordRelease
    | CopyImages
    | LoadImage
    | RecordLoaded
    | Prepare
    | OpenPromotion
    | TakeOver
    | PreDeploy
    | Deploy
    | Confirm
    | LookAgain
    | Point
    | Unpoint
    | ClosePromotion
    | PruneReleases
    | RemoveTag
    | ForgetReleases
    | RetireEnvironment
)
