"""Removing tags, which registries do in different ways, or not at all.

ghcr.io and Docker Hub answer DELETE with 405, accounts that may only push get 403, and
Distribution 2 removes nothing but a whole manifest, with all its tags.
"""

from __future__ import annotations

import json
import secrets

from buildonce.errors import RemovalError
from buildonce.refs import ImageRef, Repository, digest_of
from buildonce.registry.api import Api, failed
from buildonce.registry.connections import Answer
from buildonce.registry.manifest import PLAIN_MANIFESTS
from buildonce.registry.transport import DeniedError

_NO_TAGS = (400, 405)
"""What registries answer that cannot remove a tag by its name."""

_GONE = (202, 404)


def remove_tag(api: Api, tag: ImageRef) -> None:
    """Remove a tag and nothing else: what it names stays, under its digest and other tags.

    Where the registry cannot remove a tag by its name, the tag first gets a manifest that
    nothing else names. Where that cannot be removed either, it names again what it named.

    Raises:
        RemovalError: the registry does not remove it, or does not let us; the tag is as it was.
    """
    answer = _delete(api, tag)
    if answer.status in _NO_TAGS:
        _remove_with_manifest(api, tag)
    elif answer.status not in _GONE:
        raise failed(answer, f"removing {tag}")


def require_removal(api: Api, repository: Repository) -> None:
    """See, by a tag and a digest that nothing has, that tags can be removed here.

    Raises:
        RemovalError: the registry removes nothing, or does not let us.
    """
    if _delete(api, repository.tag(secrets.token_hex(16))).status in _NO_TAGS:
        _require_manifests_to_go(api, repository)


def _remove_with_manifest(api: Api, tag: ImageRef) -> None:
    named = api.manifest(tag)
    if named is None:
        return
    _require_manifests_to_go(api, tag.repository)
    config = _config_like_no_other()
    api.put_blob(tag.repository, config)
    content = _placeholder(config)
    try:
        api.put_manifest(tag, content, PLAIN_MANIFESTS[0])
        answer = _delete(api, tag.repository.at(digest_of(content)))
        if answer.status not in _GONE:
            raise failed(answer, f"removing {tag}")
    except BaseException:
        api.put_manifest(tag, named.content, named.media_type)
        raise


def _require_manifests_to_go(api: Api, repository: Repository) -> None:
    answer = _delete(api, repository.at(digest_of(secrets.token_bytes(16))))
    if answer.status != 404:
        raise RemovalError(
            f"the registry {repository.registry} removes nothing by its API "
            f"(it answered {answer.status}): {repository} is as it was",
            hint="see the registry's own settings for retention and for deleting",
        )


def _delete(api: Api, ref: ImageRef) -> Answer:
    try:
        return api.delete_manifest(ref)
    except DeniedError as error:
        raise RemovalError(error.message, hint=error.hint) from None


def _config_like_no_other() -> bytes:
    """Return a blob of its own for each tag that is removed.

    Distribution 2 answers 400 to a manifest that names a blob while somebody writes the same
    blob again: its link is empty for a moment. Tags of one repository go at the same time.
    """
    return json.dumps({"removed": secrets.token_hex(16)}).encode()


def _placeholder(config: bytes) -> bytes:
    """Return the manifest of an image that has a config and no layers."""
    document = {
        "schemaVersion": 2,
        "mediaType": PLAIN_MANIFESTS[0],
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest_of(config),
            "size": len(config),
        },
        "layers": [],
    }
    return json.dumps(document).encode()
