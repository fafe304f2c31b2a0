"""What the manifests of a repository run: a place for each environment, and the images there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import yaml

from buildonce.adopt.service import Found, slug
from buildonce.adopt.survey import Survey, below
from buildonce.engines.kubernetes.manifest import WORKLOADS, Manifest
from buildonce.engines.kubernetes.refusals import CLUSTER_SCOPED

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_PARENTS = ("overlays", "environments", "envs", "clusters")
_STAGES = re.compile(r"(dev|test|qa|int|stag|pre|prod|live)[a-z]*([-_.].*)?$")
_ORDER = ("dev", "test", "qa", "int", "stag", "pre", "prod", "live")
_NOT_TO_RUN = {"test", "tests", "testdata", "example", "examples", "docs", "charts", ".github"}
_OF_TOOLS = ("skaffold/", "kind.x-k8s.io/", "kustomize.config.k8s.io/", "backstage.io/")
_RUNNING = {*WORKLOADS, "CronJob"}
_WRITTEN = re.compile(r"[\w./:@-]+")
_TAG = re.compile(r"(?<=[^/]):[^/:@]*$")


@dataclass(frozen=True)
class Used:
    """An image of a container: its name as it is written, and as kustomize renders it."""

    written: str
    rendered: str
    container: str

    @property
    def last(self) -> tuple[str, str]:
        """What both names end with."""
        return self.written.rpartition("/")[2], self.rendered.rpartition("/")[2]


@dataclass(frozen=True)
class Place:
    """The manifests of an environment: what `file` would name, and what is in them."""

    files: tuple[str, ...]
    namespaces: tuple[str, ...]
    images: tuple[Used, ...]
    refused: tuple[str, ...]

    def of(self, services: Sequence[Found]) -> dict[str, Used]:
        """Return the image of each service that is run there, the plainest matches first."""
        found: dict[str, Used] = {}
        for fits in _FITS:
            for service in services:
                taken = {one.rendered for one in found.values()}
                free = (one for one in self.images if one.rendered not in taken)
                match = next((one for one in free if fits(service, one)), None)
                if match and service.name not in found:
                    found[service.name] = match
        return found


_FITS: tuple[Callable[[Found, Used], bool], ...] = (
    lambda service, one: service.image in (one.written, one.rendered),
    lambda service, one: service.name in map(slug, one.last),
    lambda service, one: any(slug(last).endswith(f"-{service.name}") for last in one.last),
    lambda service, one: slug(one.container) == service.name,
)
"""How an image may be known as a service's, the surest way first."""


@dataclass(frozen=True)
class Manifests:
    """All manifests of a repository."""

    survey: Survey

    @cached_property
    def places(self) -> dict[str, Place]:
        """Each environment's manifests, the first one first; with the name "", all have these."""
        found = self._overlays() or self._plain()
        return {name: found[name] for name in sorted(found, key=lambda name: (_rank(name), name))}

    def _overlays(self) -> dict[str, Place]:
        folders = [
            str(PurePosixPath(path).parent)
            for path in self.survey.named(*KUSTOMIZATIONS)
            if not _NOT_TO_RUN & set(PurePosixPath(path).parts)
        ]
        overlays: dict[str, list[str]] = {}
        for folder in filter(_is_overlay, folders):
            overlays.setdefault(slug(PurePosixPath(folder).name), []).append(folder)
        if not overlays and folders:
            overlays = {"": folders[:1]}
        return {name: self._place(tuple(sorted(found))) for name, found in overlays.items()}

    def _plain(self) -> dict[str, Place]:
        """Return files without a kustomization: those of a folder, by the environment it names."""
        files = [path for path in self.survey.named("*.yaml", "*.yml") if self._is_plain(path)]
        running = {PurePosixPath(path).parent for path in files if self._runs([path])}
        files = [path for path in files if running & {*PurePosixPath(path).parents}]
        groups: dict[str, list[str]] = {}
        for path in files:
            groups.setdefault(_stage(path), []).append(path)
        common = groups.pop("", [])
        if not groups:
            return {"": self._place(tuple(sorted(common)))} if common else {}
        return {
            name: self._place(tuple(sorted([*common, *own]))) for name, own in groups.items()
        }  # fmt: skip

    def _is_plain(self, path: str) -> bool:
        place = PurePosixPath(path)
        is_charts = any(self.survey.has(below(str(at), "Chart.yaml")) for at in place.parents)
        if is_charts or _NOT_TO_RUN & {*place.parts}:
            return False
        found = list(documents(self.survey, path))
        return bool(found) and all(map(_is_object, found))

    def _runs(self, paths: Sequence[str]) -> bool:
        return any(one.kind in _RUNNING for path in paths for one in self._objects(path))

    def _place(self, paths: tuple[str, ...]) -> Place:
        looks = [self._look(path, frozenset()) for path in paths]
        objects = [one for look in looks for one in look.objects]
        own = [look.namespace for look in looks if look.namespace]
        given = own or [one.namespace for one in objects if one.namespace]
        return Place(
            files=paths,
            namespaces=tuple(dict.fromkeys(given)),
            images=tuple(dict.fromkeys(used for look in looks for used in look.images)),
            refused=tuple(dict.fromkeys([*_refused(objects), *_made(looks)])),
        )

    def _look(self, path: str, seen: frozenset[str]) -> _Look:
        """Return what a file or kustomization renders, as far as it can be told without kubectl."""
        if path in seen:
            return _Look()
        if path in self.survey.files:
            objects = tuple(self._objects(path))
            return _Look(objects, tuple(used for one in objects for used in _images(one)))
        kustomization = self._kustomization(path)
        inner = [
            self._look(below(path, str(entry)), seen | {path})
            for field in ("resources", "bases", "components")
            for entry in kustomization.get(field) or ()
        ]
        names = _renamed(kustomization.get("images") or ())
        return _Look(
            tuple(one for look in inner for one in look.objects),
            tuple(_render(used, names) for look in inner for used in look.images),
            str(kustomization.get("namespace") or "")
            or next((look.namespace for look in inner if look.namespace), ""),
            bool(kustomization.get("secretGenerator")) or any(look.secrets for look in inner),
        )

    def _kustomization(self, folder: str) -> Mapping[str, Any]:
        for name in KUSTOMIZATIONS:
            path = below(folder, name)
            if path in self.survey.files:
                return next(documents(self.survey, path), {})
        return {}

    def _objects(self, path: str) -> Iterator[Manifest]:
        for document in documents(self.survey, path):
            items = document.get("items") if document.get("kind") == "List" else [document]
            yield from (Manifest(item) for item in items or () if isinstance(item, dict))


@dataclass(frozen=True)
class _Look:
    objects: tuple[Manifest, ...] = ()
    images: tuple[Used, ...] = ()
    namespace: str = ""
    secrets: bool = False


def documents(survey: Survey, path: str) -> Iterator[dict[str, Any]]:
    """Give the tables in a YAML file; nothing where it is no YAML, as a chart's template."""
    text = survey.text(path)
    try:
        found = list(yaml.safe_load_all(text))
    except (yaml.YAMLError, ValueError):
        return
    yield from (document for document in found if isinstance(document, dict))


def without_tag(image: str) -> str:
    """Return an image's name alone; empty where it is made of variables."""
    name = _TAG.sub("", image.partition("@")[0])
    return name if _WRITTEN.fullmatch(name) else ""


def _images(manifest: Manifest) -> Iterator[Used]:
    if manifest.kind in _RUNNING:
        for container in manifest.containers:
            if name := without_tag(str(container.get("image", ""))):
                yield Used(name, name, str(container.get("name", "")))


def _renamed(images: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {
        str(one.get("name")): str(one["newName"])
        for one in images
        if isinstance(one, dict) and one.get("newName")
    }


def _render(used: Used, names: Mapping[str, str]) -> Used:
    return Used(used.written, names.get(used.rendered, used.rendered), used.container)


def _refused(objects: Sequence[Manifest]) -> Iterator[str]:
    for one in objects:
        if one.kind in CLUSTER_SCOPED or (
            one.kind == "Secret" and (one.body.get("data") or one.body.get("stringData"))
        ):
            yield one.title


def _made(looks: Sequence[_Look]) -> list[str]:
    return ["secretGenerator"] if any(look.secrets for look in looks) else []


def _is_overlay(folder: str) -> bool:
    parts = PurePosixPath(folder).parts
    return len(parts) > 1 and (parts[-2] in _PARENTS or bool(_STAGES.match(parts[-1])))


def _is_object(document: Mapping[str, Any]) -> bool:
    """Tell whether a document is an object of a cluster, not a tool's settings of that shape."""
    version = str(document.get("apiVersion") or "")
    return bool(version and document.get("kind")) and not version.startswith(_OF_TOOLS)


def _stage(path: str) -> str:
    folder = PurePosixPath(path).parent.name
    return slug(folder) if _STAGES.match(folder) else ""


def _rank(name: str) -> int:
    return next((rank for rank, start in enumerate(_ORDER) if name.startswith(start)), 4)
