"""The steps that plans are made of, each with the sentence that people read.

Pure: a step says what is to be done, ``execute`` does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from buildonce.git.repository import Commit
from buildonce.ledger.records.environment import Operation, Outcome
from buildonce.ledger.records.release import Release
from buildonce.refs import Digest, ImageRef, Repository, short


@dataclass(frozen=True)
class Bake:
    """Build services' images in one Buildx invocation and push them under ``tags``."""

    commit: Commit
    tags: Mapping[str, ImageRef]

    def describe(self) -> str:
        """Return the step as a sentence."""
        tag = next(iter(self.tags.values())).reference
        return f"build {', '.join(self.tags)} once from {tag} and push"


@dataclass(frozen=True)
class RecordRelease:
    """Write the digests of what was built into the ledger; the first to write them wins."""

    revision: str
    sha: str
    services: tuple[str, ...]

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"record release {self.sha} ({', '.join(self.services)}) in the ledger"


@dataclass(frozen=True)
class Point:
    """Make a tag name a digest, byte for byte, and read it back."""

    service: str
    tag: ImageRef
    old: Digest | None
    new: Digest

    def describe(self) -> str:
        """Return the step as a sentence."""
        before = short(self.old) if self.old else "nothing"
        return f"point {self.tag} from {before} to {short(self.new)}"


@dataclass(frozen=True)
class Unpoint:
    """Remove a pointer: the environment does not run this service any more."""

    service: str
    tag: ImageRef

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"remove the pointer {self.tag}"


@dataclass(frozen=True)
class Prepare:
    """Have an environment's hosts pull a release, so that the switch is short."""

    environment: str
    release: Release

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"have {self.environment} pull {self.release.sha}"


@dataclass(frozen=True)
class RunBefore:
    """Run the environment's one-off command with the new release's bytes."""

    environment: str
    release: Release

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"run what comes before {self.release.sha} in {self.environment}, once"


@dataclass(frozen=True)
class Deploy:
    """Make an environment's containers run a release by digest, and wait until all is well."""

    environment: str
    release: Release

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"deploy {self.release.sha} to {self.environment}, until it is healthy"


@dataclass(frozen=True)
class Confirm:
    """Read the running containers and compare them with the release."""

    environment: str
    release: Release

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"see that {self.environment} runs the bytes of {self.release.sha}"


@dataclass(frozen=True)
class OpenPromotion:
    """Write the intent into the ledger: from now on it holds the environment."""

    environment: str
    operation: Operation

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"record {named(self.environment, self.operation)}: in progress"


@dataclass(frozen=True)
class TakeOver:
    """Become the holder of a promotion that was left open; its former holder loses it."""

    environment: str
    operation: Operation
    new_id: str
    host: str

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"take over {named(self.environment, self.operation)}"


@dataclass(frozen=True)
class ClosePromotion:
    """Write the outcome into the ledger."""

    environment: str
    operation: Operation
    outcome: Outcome
    message: str = ""

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"record {named(self.environment, self.operation)}: {self.outcome}"


@dataclass(frozen=True)
class PruneReleases:
    """Take releases out of use in the ledger: nothing can be promoted to them any more.

    ``repositories`` are those that tags will be removed from.
    """

    shas: tuple[str, ...]
    repositories: frozenset[Repository]

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"record in the ledger that {_count(self.shas)} may go"


@dataclass(frozen=True)
class RemoveTag:
    """Remove the tag of a pruned release and nothing else."""

    sha: str
    tag: ImageRef

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"remove the tag {self.tag}"


@dataclass(frozen=True)
class ForgetReleases:
    """Write into the ledger that the tags of pruned releases are gone."""

    shas: tuple[str, ...]

    def describe(self) -> str:
        """Return the step as a sentence."""
        return f"record in the ledger that the tags of {_count(self.shas)} are gone"


Step = (
    Bake
    | RecordRelease
    | Point
    | Unpoint
    | Prepare
    | RunBefore
    | Deploy
    | Confirm
    | OpenPromotion
    | TakeOver
    | ClosePromotion
    | PruneReleases
    | RemoveTag
    | ForgetReleases
)


def named(environment: str, operation: Operation) -> str:
    """Return a promotion's name in sentences."""
    return f"{operation.kind} {operation.sequence} of {environment} to {operation.release}"


def _count(shas: tuple[str, ...]) -> str:
    return f"release {shas[0]}" if len(shas) == 1 else f"{len(shas)} releases"
