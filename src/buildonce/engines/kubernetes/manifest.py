"""Kubernetes objects as they are written in files: read, named, and looked into."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from buildonce.errors import UsageError

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Pod")
"""Kinds that run pods at once; a CronJob does later."""

CONTAINERS = ("initContainers", "containers")

_ORDER = (
    *("ResourceQuota", "LimitRange", "NetworkPolicy", "ServiceAccount", "Role", "RoleBinding"),
    *("ConfigMap", "Secret", "PersistentVolumeClaim", "Service", "PodDisruptionBudget"),
)
_LAST = ("Ingress", "HorizontalPodAutoscaler")

_TEMPLATES = {
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "Pod": (),
    **{kind: ("spec", "template") for kind in WORKLOADS if kind != "Pod"},
}


@dataclass(frozen=True)
class Manifest:
    """One object, as its author wrote it, with images by digest."""

    body: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Such as ``Deployment``."""
        return str(self.body.get("kind", ""))

    @property
    def api_version(self) -> str:
        """Such as ``apps/v1``."""
        return str(self.body.get("apiVersion", ""))

    @property
    def group(self) -> str:
        """The API group; empty for the core's."""
        return self.api_version.rpartition("/")[0]

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Its metadata."""
        return self.body.get("metadata") or {}

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.metadata.get("name", ""))

    @property
    def namespace(self) -> str:
        """The namespace that it names; empty where it leaves that to the environment."""
        return str(self.metadata.get("namespace", ""))

    @property
    def spec(self) -> Mapping[str, Any]:
        """Its specification; empty where it has none."""
        return self.body.get("spec") or {}

    @property
    def key(self) -> str:
        """What tells it from the others of its namespace: ``apps/Deployment/api``."""
        return "/".join(filter(None, (self.group, self.kind, self.name)))

    @property
    def reference(self) -> Mapping[str, Any]:
        """What names the object to kubectl, and nothing else of it."""
        metadata = {"name": self.name}
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": metadata}

    @property
    def title(self) -> str:
        """What people call it: ``deployment/api``."""
        return f"{self.kind.lower()}/{self.name}"

    @property
    def template(self) -> Mapping[str, Any] | None:
        """The pods that it runs, as their metadata and specification; None where it runs none."""
        path = _TEMPLATES.get(self.kind)
        if path is None:
            return None
        found: Any = self.body
        for part in path:
            found = found.get(part) or {}
        return found if isinstance(found, dict) else {}

    @cached_property
    def containers(self) -> tuple[Mapping[str, Any], ...]:
        """The containers of its pods, init containers first."""
        spec = (self.template or {}).get("spec") or {}
        return tuple(one for field in CONTAINERS for one in spec.get(field) or ())

    @property
    def order(self) -> tuple[int, str]:
        """Where it comes among the others when they are applied: what pods need comes first."""
        if self.kind in _ORDER:
            return _ORDER.index(self.kind), self.kind
        return len(_ORDER) + (self.kind in _LAST), ""

    @cached_property
    def hash(self) -> str:
        """What changes with its content."""
        content = json.dumps(self.body, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def read(text: str, name: str) -> list[Manifest]:
    """Return the objects of a file of YAML documents, lists taken apart.

    Raises:
        UsageError: it is not YAML, or a document is no object.
    """
    try:
        documents = [document for document in yaml.load_all(text, _Loader) if document is not None]
    except yaml.YAMLError as error:
        raise UsageError(
            f"{name} is not YAML: {_place(error)}", hint="correct the file and commit it"
        ) from None
    return [Manifest(body) for body in _items(documents, name)]


def write(manifests: Iterable[Manifest]) -> str:
    """Return objects as a file of YAML documents."""
    return yaml.dump_all(
        [manifest.body for manifest in manifests],
        Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000, explicit_start=True,
    )  # fmt: skip


def as_list(bodies: Iterable[Mapping[str, Any]]) -> str:
    """Return objects as one JSON document, which kubectl reads in one go."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(bodies)})


def in_order(manifests: Iterable[Manifest]) -> list[Manifest]:
    """Return objects as they are applied: what pods need before the pods."""
    return sorted(manifests, key=lambda manifest: manifest.order)


def _items(documents: Sequence[Any], name: str) -> Iterator[Mapping[str, Any]]:
    for document in documents:
        if not isinstance(document, dict) or not document.get("kind"):
            raise UsageError(
                f"{name} has a document that is no Kubernetes object: it has no kind",
                hint="every document needs apiVersion, kind and metadata.name",
            )
        if document["kind"] == "List" or str(document["kind"]).endswith("List"):
            yield from _items(document.get("items") or [], name)
        else:
            yield document


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it cannot be read"
    return f"{problem} (line {mark.line + 1})" if mark else str(problem)


class _Loader(yaml.SafeLoader):
    """Reads scalars as Kubernetes does: no dates, and no numbers to the base of sixty."""


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as such, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # an override
        return True


def _text(dumper: yaml.SafeDumper, data: str) -> Any:
    style = "|" if "\n" in data else None
    scalar: yaml.Node = dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)
    return scalar


_Dumper.add_representer(str, _text)
_INT, _FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in (_INT, _FLOAT, "tag:yaml.org,2002:timestamp")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    _INT, re.compile(r"[-+]?(?:0|[1-9][0-9]*|0o?[0-7]+|0x[0-9a-fA-F]+)$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"),
    list("-+0123456789."),
)
# text that any reader could take for a number or a boolean is written in quotes
_Dumper.add_implicit_resolver(_INT, re.compile(r"[-+.]?[0-9][0-9a-fA-FoOxX_.+:-]*$"), None)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"[yYnN]$"), list("yYnN"))
