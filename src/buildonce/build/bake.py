"""The Buildx bake definition of a release: pure, from the project and one commit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from pathlib import PurePath
from typing import Any

from buildonce.build.pins import Pins
from buildonce.build.secrets import options
from buildonce.config import Project, Service
from buildonce.git.repository import Commit
from buildonce.refs import ImageRef

CACHE_TAG = "buildcache"

EPOCH = 315532800
"""The time that builds get as SOURCE_DATE_EPOCH: 1980-01-01, the first that a ZIP file can have.

It is a constant, because BuildKit makes it part of the cache key of each WORKDIR: a time that
changed with the commit, or with the inputs, would end the caching there in every build.
"""

_LABEL = "org.opencontainers.image"
SOURCE_LABEL = f"{_LABEL}.source"


def definition(
    project: Project,
    commit: Commit,
    root: PurePath,
    contexts: Mapping[str, PurePath],
    tags: Mapping[str, ImageRef],
    pins: Mapping[str, Pins],
    source: str | None,
    cached: Collection[str],
    *,
    fresh: bool = False,
) -> dict[str, Any]:
    """Return the bake file that builds and pushes the services in ``tags``.

    Nothing is stored in the engine itself: it takes time, and two builds that store the same
    tag at the same time make one of them fail ("already exists", Docker Engine 28.5).

    Args:
        project: the configuration.
        commit: what is built.
        root: the folder with the commit's tree, as far as it is needed.
        contexts: the folder that each service is built from.
        tags: the reference to push, for each service.
        pins: the images that each service takes from outside.
        source: the address of the source code, if known.
        cached: the services of which the registry has a layer cache.
        fresh: rebuild what a layer cache has.
    """
    sha = commit.sha(project.sha_length)
    targets = {
        name: {
            **_target(project, name, root, contexts[name]),
            "tags": [str(ref)],
            "labels": labels(commit, sha, name, pins[name], source),
            "args": {
                "REVISION": commit.revision,
                "SOURCE_DATE_EPOCH": str(EPOCH),
                **project.service(name).args,
            },
            "no-cache": fresh,
            "platforms": list(project.platforms),
            "output": ["type=image,push=true,oci-mediatypes=true,store=false"],
            "attest": ["type=provenance,disabled=true", "type=sbom,disabled=true"],
            **(_cache(ref, name in cached) if project.cache else {}),
        }
        for name, ref in tags.items()
    }
    return _file(targets)


def local_definition(project: Project, root: PurePath, tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the bake file of a quick build of the working tree, loaded under ``tags``."""
    targets = {
        name: {
            **_target(project, name, root, root / project.service(name).context),
            "tags": [tag],
            "args": dict(project.service(name).args),
            **_loadable(project),
            "output": ["type=docker"],
        }
        for name, tag in tags.items()
    }
    return _file(targets)


def labels(commit: Commit, sha: str, title: str, pins: Pins, source: str | None) -> dict[str, str]:
    """Return the labels of the OCI image specification (1.1, "Annotations") that apply."""
    created = datetime.fromtimestamp(commit.time, tz=timezone.utc)
    known = {
        "revision": commit.revision,
        "version": sha,
        "created": created.isoformat().replace("+00:00", "Z"),
        "title": title,
        "source": source,
        "base.name": pins.base,
        "base.digest": pins.images[pins.base].reference if pins.base else None,
    }
    return {f"{_LABEL}.{key}": value for key, value in known.items() if value}


def _file(targets: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "group": {"default": {"targets": list(targets)}},
        "target": {name: _verbatim(target) for name, target in targets.items()},
    }


def _verbatim(value: Any) -> Any:
    """Return a value with its strings escaped: Buildx evaluates them all as HCL templates."""
    if isinstance(value, dict):
        return {key: _verbatim(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_verbatim(item) for item in value]
    if isinstance(value, bool):
        return value
    return value.replace("${", "$${").replace("%{", "%%{")


def _target(project: Project, name: str, root: PurePath, context: PurePath) -> dict[str, Any]:
    service: Service = project.service(name)
    stage = {"target": service.target} if service.target else {}
    return {
        "context": str(context),
        "dockerfile": str(root / project.dockerfile(name)),
        **stage,
        **options(service),
    }


def _loadable(project: Project) -> dict[str, list[str]]:
    """Return the platform of what an engine loads: of several, it is the engine's own."""
    return {"platforms": list(project.platforms)} if len(project.platforms) == 1 else {}


def _cache(ref: ImageRef, exists: bool) -> dict[str, list[str]]:
    place = f"type=registry,ref={ref.repository.tag(CACHE_TAG)}"
    options = "mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"
    return {"cache-from": [place] if exists else [], "cache-to": [f"{place},{options}"]}
