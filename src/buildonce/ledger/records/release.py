"""A release: the images of all services, by digest, built from one commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pydantic import Field, model_validator

from buildonce.ledger.records.record import (
    DigestField,
    Record,
    RepositoryField,
    RevisionField,
    Time,
)
from buildonce.refs import Digest, ImageRef, Repository


class Image(Record):
    """A service's image: where it is and what its bytes hash to.

    ``identity`` is the hash of the inputs that it was built from, ``built_from`` the commit,
    where that is not the release's own. ``imported`` says that it was built elsewhere.
    ``platforms`` has the manifest of each platform, where the image is an index. ``suffix`` is
    what its tag has after the commit's, where that one was taken and cannot be overwritten.
    """

    image: RepositoryField
    digest: DigestField
    identity: str = ""
    built_from: RevisionField | None = None
    imported: bool = False
    platforms: dict[str, DigestField] = Field(default_factory=dict)
    suffix: str = ""

    @property
    def repository(self) -> Repository:
        """The place of the image."""
        return Repository.parse(self.image)

    @property
    def ref(self) -> ImageRef:
        """The image by digest: what is deployed."""
        return self.repository.at(self.digest)

    @property
    def manifests(self) -> dict[str, ImageRef]:
        """Each platform's manifest by digest; none where the image is a plain one."""
        place = self.repository
        return {platform: place.at(digest) for platform, digest in self.platforms.items()}

    def tag(self, tag: str) -> ImageRef:
        """Return a tag's reference beside the image."""
        return self.repository.tag(tag)


class ImageRecord(Record):
    """``images/<service>/<identity>.json``: the one image of these inputs.

    ``revision`` is the commit that it was built from. ``settings`` is the hash of the arguments,
    the stage and the like, ``sources`` has what each image that the Dockerfile takes from
    outside stood for. ``generation`` counts the builds of the same inputs, and ``reason`` says
    why there is another than the first. ``imported`` says that it was built elsewhere: its
    identity is that of its bytes, and ``revision`` what its label says, or else the commit that
    it was imported for. ``platforms`` and ``suffix`` are those of an image.
    """

    image: RepositoryField
    digest: DigestField
    identity: str
    revision: RevisionField
    settings: str
    sources: dict[str, str]
    generation: int = 1
    reason: str = ""
    imported: bool = False
    platforms: dict[str, DigestField] = Field(default_factory=dict)
    suffix: str = ""

    @property
    def ref(self) -> ImageRef:
        """The image by digest."""
        return Repository.parse(self.image).at(self.digest)

    def of(self, revision: str) -> Image:
        """Return it as the release of a commit has it."""
        own = revision == self.revision
        return Image(
            image=self.image, digest=self.digest, identity=self.identity,
            built_from=None if own else self.revision, imported=self.imported,
            platforms=self.platforms, suffix=self.suffix if own else "",
        )  # fmt: skip


class Release(Record):
    """The record of a build: ``releases/<sha>.json``.

    ``expects`` names the services that the project had when it was built: the release is
    whole once ``services`` has an image for each.
    """

    revision: RevisionField
    sha: str
    expects: tuple[str, ...]
    services: dict[str, Image]
    built_at: Time
    built_by: str
    built_with: str

    @model_validator(mode="after")
    def _sha_is_the_revisions(self) -> Release:
        if len(self.sha) < 7 or not self.revision.startswith(self.sha):
            raise ValueError(f"sha {self.sha!r} does not belong to revision {self.revision}")
        return self

    def only(self, services: Sequence[str]) -> Release:
        """Return what an environment runs of it: these services or, of none, all."""
        if not services:
            return self
        kept = {name: image for name, image in self.services.items() if name in services}
        expects = [name for name in self.expects if name in kept or name not in self.services]
        return self.model_copy(update={"services": kept, "expects": tuple(expects)})

    def tag_of(self, service: str) -> ImageRef:
        """Return the tag of the commit that a service's image has."""
        image = self.services[service]
        return image.tag(f"{self.sha}{image.suffix}")

    def at(self, place_of: Callable[[str], Repository]) -> Release:
        """Return it with its images in other places: ``place_of`` gives each service's."""
        services = {
            name: image.model_copy(update={"image": str(place_of(name))})
            for name, image in self.services.items()
        }
        return self.model_copy(update={"services": services})

    def missing(self) -> tuple[str, ...]:
        """Return the services that have no image yet."""
        return tuple(name for name in self.expects if name not in self.services)

    def with_images(self, images: Mapping[str, Image]) -> Release:
        """Return the release with further services; what is recorded already stays."""
        return self.model_copy(update={"services": {**images, **self.services}})

    def revision_of(self, service: str) -> str:
        """Return the commit that a service's image was built from."""
        return self.services[service].built_from or self.revision

    def digests(self) -> dict[str, Digest]:
        """Return each service's digest."""
        return {name: image.digest for name, image in self.services.items()}
