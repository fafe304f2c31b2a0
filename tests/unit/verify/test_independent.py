"""Manifests that another program reads a second time."""

from __future__ import annotations

from typing import Any, cast

from buildonce.config import parse
from buildonce.refs import ImageRef, digest_of
from buildonce.targets import Targets
from buildonce.verify.independent import reread
from tests.kit.samples import REGISTRY, empty, release, running, state

RELEASE = release(1)
WEB, API = (RELEASE.services[name].ref for name in ("web", "api"))
READ: dict[ImageRef, bytes] = {WEB: b"web 1"}


class Reader:
    """A program that finds the manifest of web, and none of api."""

    def raw(self, ref: ImageRef) -> bytes | None:
        return READ.get(ref)


def test_what_another_program_reads_is_hashed() -> None:
    """A row for each image that runs: the hash of what was read, or that nothing was."""
    tables = {"registry": REGISTRY, "services": {"web": {}, "api": {}}}
    project = parse({**tables, "environments": {"staging": {}, "production": {}}})
    nobody = cast("Any", None)
    targets = Targets(project, nobody, nobody, nobody, nobody)
    snapshot = state([RELEASE], running(RELEASE), empty("production"))
    rows = reread(snapshot, ["staging", "production"], targets, Reader())
    assert [(row.environment, row.service, row.found, row.holds) for row in rows] == [
        ("staging", "api", "nothing", False),
        ("staging", "web", digest_of(b"web 1"), True),
    ]
