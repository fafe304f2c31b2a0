"""A release: the images of all services, by digest, built from one commit."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import model_validator

from buildonce.ledger.records.record import (
    DigestField,
    Record,
    RepositoryField,
    RevisionField,
    Time,
)
from buildonce.refs import Digest, ImageRef, Repository


class Image(Record):
    """A service's image: where it is and what its bytes hash to."""

    image: RepositoryField
    digest: DigestField

    @property
    def repository(self) -> Repository:
        """The place of the image."""
        return Repository.parse(self.image)

    @property
    def ref(self) -> ImageRef:
        """The image by digest: what is deployed."""
        return self.repository.at(self.digest)

    def tag(self, tag: str) -> ImageRef:
        """Return a tag's reference beside the image."""
        return self.repository.tag(tag)


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

    def missing(self) -> tuple[str, ...]:
        """Return the services that have no image yet."""
        return tuple(name for name in self.expects if name not in self.services)

    def with_images(self, images: Mapping[str, Image]) -> Release:
        """Return the release with further services; what is recorded already stays."""
        return self.model_copy(update={"services": {**images, **self.services}})

    def digests(self) -> dict[str, Digest]:
        """Return each service's digest."""
        return {name: image.digest for name, image in self.services.items()}
