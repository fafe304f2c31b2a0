"""What an archive says of the release in it."""

from __future__ import annotations

from buildonce.ledger.records.record import Record
from buildonce.ledger.records.release import ImageRecord, Release

NAME = "buildonce.json"


class Archive(Record):
    """``buildonce.json``: a release's records and its bundles, by their path in the ledger.

    ``since`` is the release whose blobs were left out, if any were.
    """

    release: Release
    images: dict[str, ImageRecord]
    bundles: dict[str, str]
    since: str = ""
