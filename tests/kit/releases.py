"""Releases without a build: tiny images in the real registry, recorded in the real ledger."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from buildonce.ledger import releases
from buildonce.ledger.records.release import ImageRecord, Release
from buildonce.refs import digest_of, parse_digest
from tests.kit.in_process import app
from tests.kit.monorepo import Monorepo
from tests.kit.registry_wire import OCI_MANIFEST, Images, Stored

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
EARLY = datetime(2026, 1, 1, tzinfo=timezone.utc)


def release(repo: Monorepo, message: str = "Change", **changed: str) -> str:
    """Commit, push images of that commit and record them, as a build would; return its tag.

    `changed` gives services another content; the layers of the others stay as they were.
    """
    sha = repo.commit(
        message, {f"{service}/{service}.txt": text for service, text in changed.items()}
    )
    record_release(repo, repo.git("rev-parse", "HEAD"))
    return sha


def record_release(repo: Monorepo, revision: str, at: datetime | None = None) -> Release:
    """Push images of a commit and record them; without a time, later commits are built later."""
    sha = revision[:12]
    images = {service: push(repo, service, revision) for service in repo.services}
    depth = timedelta(minutes=int(repo.git("rev-list", "--count", revision)))
    made = Release(
        revision=revision, sha=sha, expects=repo.services, services={},
        built_at=at or EARLY + depth, built_by="Bo Builder <bo@example.org>", built_with="a test",
    )  # fmt: skip
    there = app(repo)
    recorded = there.ledger.append(lambda snapshot: releases.built(snapshot, made, images))
    release = recorded.release(sha)
    assert release is not None
    return release


def push(repo: Monorepo, service: str, revision: str) -> ImageRecord:
    """Push a service's image of a commit under the commit's tag: one small layer, one label."""
    images = repo.images(service)
    layer = repo.git("show", f"{revision}:{service}/{service}.txt").encode()
    labels = {"org.opencontainers.image.revision": revision}
    config = json.dumps({"config": {"Labels": labels}, "service": service}).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _descriptor(images, OCI_CONFIG, config),
        "layers": [_descriptor(images, OCI_LAYER, layer)],
    }
    stored = Stored(json.dumps(manifest).encode(), OCI_MANIFEST)
    images.put(revision[:12], stored)
    return ImageRecord(
        image=str(images), digest=parse_digest(stored.digest), identity=stored.digest[7:],
        revision=revision, settings="", sources={},
    )  # fmt: skip


def _descriptor(images: Images, media_type: str, content: bytes) -> dict[str, object]:
    images.put_blob(content)
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}
