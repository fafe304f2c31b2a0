"""The steps that plans are made of. Pure data: ``execute`` does them, ``report`` words them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from buildonce.build.pins import Pins
from buildonce.engines.base import Engine
from buildonce.git.repository import Commit
from buildonce.ledger.records.promotion import Ending, Promotion
from buildonce.refs import Digest, ImageRef, Repository


@dataclass(frozen=True)
class Bake:
    """Build services' images in one Buildx invocation and push them under ``tags``.

    ``pins`` has what each of them takes from outside.
    """

    commit: Commit
    tags: Mapping[str, ImageRef]
    pins: Mapping[str, Pins]


@dataclass(frozen=True)
class RecordRelease:
    """Write the digests of what was built into the ledger; the first to write them wins."""

    revision: str
    sha: str
    services: tuple[str, ...]


@dataclass(frozen=True)
class Point:
    """Make a tag name a digest, byte for byte, and read it back."""

    service: str
    tag: ImageRef
    old: Digest | None
    new: Digest


@dataclass(frozen=True)
class Unpoint:
    """Remove a pointer: the environment no longer runs this service."""

    service: str
    tag: ImageRef
    old: Digest | None


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
    """Write into the ledger that the tags of pruned releases are gone."""

    shas: tuple[str, ...]


Step = (
    Bake
    | RecordRelease
    | Prepare
    | OpenPromotion
    | TakeOver
    | PreDeploy
    | Deploy
    | Confirm
    | Point
    | Unpoint
    | ClosePromotion
    | PruneReleases
    | RemoveTag
    | ForgetReleases
)
