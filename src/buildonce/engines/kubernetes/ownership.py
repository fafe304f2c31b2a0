"""Whose an object and its fields are, as the API server itself keeps record.

"Server-side apply" in the Kubernetes documentation: each field that somebody set is listed under
its manager in ``metadata.managedFields``, as a tree whose keys begin with ``f:``, ``k:`` or
``v:``. A field that another manager changes leaves the tree of the one who applied it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from buildonce.engines.kubernetes.kubectl import MANAGER
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.engines.kubernetes.state import LABEL

APPLIED = "buildonce/applied"
"""The annotation with the hash of what was applied."""

CONTROLLERS = (
    "kube-controller-manager",
    "kube-scheduler",
    "kube-apiserver",
    "kubelet",
    "cloud-controller-manager",
    "vpa-",
    "gke-",
)
"""Managers that set fields of their own accord, such as an autoscaler's replicas."""

_APART = ("f:metadata", "f:status")
_RESTARTED = "f:kubectl.kubernetes.io/restartedAt"
"""What ``kubectl rollout restart`` sets, which changes nothing but that pods are new."""

_OTHER_TOOLS = {
    "meta.helm.sh/release-name": "Helm",
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "argocd.argoproj.io/instance": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
}


@dataclass(frozen=True)
class Foreign:
    """Fields of an object that somebody else set: their paths, and the manager's name."""

    manager: str
    fields: tuple[str, ...]

    def __str__(self) -> str:
        more = f" and {len(self.fields) - 3} more" if len(self.fields) > 3 else ""
        return f"{', '.join(self.fields[:3])}{more} set by {self.manager}"


def marked(manifest: Manifest, project: str) -> dict[str, Any]:
    """Return an object as it is applied: with our label, on its pods too, and what it was."""
    body = copy.deepcopy(dict(manifest.body))
    metadata = body.setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), LABEL: project}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), APPLIED: manifest.hash}
    template = Manifest(body).template
    if template is not None and manifest.kind != "Pod":
        assert isinstance(template, dict)
        pods = template.setdefault("metadata", {})
        pods["labels"] = {**(pods.get("labels") or {}), LABEL: project}
    return body


def owner(live: Mapping[str, Any], project: str) -> str:
    """Return who else an object belongs to; empty where it is ours, or nobody's."""
    metadata = live["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    for key, tool in _OTHER_TOOLS.items():
        if key in labels or key in annotations:
            return tool
    if labels.get("app.kubernetes.io/managed-by") in ("Helm", "Tiller"):
        return "Helm"
    if labels.get(LABEL, project) != project:
        return f"the buildonce project {labels[LABEL]}"
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            return f"{reference['kind']} {reference['name']}"
    return ""


def is_ours(live: Mapping[str, Any], project: str) -> bool:
    """Tell whether an object has our label, and no other owner."""
    labels = live["metadata"].get("labels") or {}
    return labels.get(LABEL) == project and not owner(live, project)


def drift(manifest: Manifest, live: Mapping[str, Any]) -> str:
    """Return how an object differs from what its manifest says; empty where it does not."""
    foreign = list(foreign_fields(live))
    if foreign:
        return "; ".join(map(str, foreign))
    annotations = live["metadata"].get("annotations") or {}
    if annotations.get(APPLIED) != manifest.hash:
        return "not applied from this release"
    ours: Mapping[str, Any] = next(
        (entry["fieldsV1"] for entry in _entries(live) if _is_ours(entry)), {}
    )
    content = {
        part: value
        for part, value in manifest.body.items()
        if part not in ("apiVersion", "kind", "metadata", "status")
    }
    changed = _unowned(content, ours, "")
    return f"{changed} changed or removed" if changed else ""


def foreign_fields(live: Mapping[str, Any]) -> Iterator[Foreign]:
    """Yield the fields that somebody but us and the cluster's own controllers has set."""
    ours = {path for entry in _entries(live) if _is_ours(entry) for path in _paths(entry)}
    for entry in _entries(live):
        if not _is_ours(entry) and not _is_controllers(entry):
            fields = tuple(path for path in _paths(entry) if path not in ours)
            if fields:
                yield Foreign(str(entry.get("manager", "somebody")), fields)


def taken_over(live: Mapping[str, Any]) -> str:
    """Return a JSON patch that makes us the manager of what others have set.

    Applied by us, fields that are not in our manifest go away, as if we had set them.
    """
    theirs = [
        entry for entry in _entries(live) if not _is_ours(entry) and not _is_controllers(entry)
    ]
    mine = next((entry for entry in _entries(live) if _is_ours(entry)), None)
    merged: dict[str, Any] = copy.deepcopy(mine["fieldsV1"]) if mine else {}
    for entry in theirs:
        _merge(merged, entry.get("fieldsV1") or {})
    rest = [entry for entry in _entries(live) if entry is not mine and entry not in theirs]
    own = {
        **(mine or {"apiVersion": live["apiVersion"], "fieldsType": "FieldsV1"}),
        "manager": MANAGER,
        "operation": "Apply",
        "fieldsV1": merged,
    }
    version = live["metadata"]["resourceVersion"]
    return json.dumps(
        [
            {"op": "test", "path": "/metadata/resourceVersion", "value": version},
            {"op": "replace", "path": "/metadata/managedFields", "value": [own, *rest]},
        ]
    )


def _entries(live: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(live["metadata"].get("managedFields") or ())


def _is_ours(entry: Mapping[str, Any]) -> bool:
    return entry.get("manager") == MANAGER and entry.get("operation") == "Apply"


def _is_controllers(entry: Mapping[str, Any]) -> bool:
    named = str(entry.get("manager", "")).startswith(CONTROLLERS)
    return named or entry.get("subresource") == "status"


def _paths(entry: Mapping[str, Any]) -> Iterator[str]:
    for key, inner in (entry.get("fieldsV1") or {}).items():
        if key not in _APART:
            yield from _leaves(inner, _readable(key))


def _leaves(tree: Mapping[str, Any], path: str) -> Iterator[str]:
    inner = {key: value for key, value in tree.items() if key not in (".", _RESTARTED)}
    if not inner:
        if _RESTARTED not in tree:
            yield path
        return
    for key, value in inner.items():
        named = _readable(key)
        yield from _leaves(value, f"{path}{'' if named.startswith('[') else '.'}{named}")


def _readable(key: str) -> str:
    kind, _, name = key.partition(":")
    if kind == "k":
        return f"[{','.join(str(value) for value in json.loads(name).values())}]"
    return f"[{name}]" if kind in ("v", "i") else name


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        _merge(into.setdefault(key, {}), value)


def _unowned(wanted: Any, fields: Mapping[str, Any], path: str) -> str:
    """Return the first field of a manifest that is not ours any more; empty where all are.

    Values are not compared: the API server writes them in its own way ("1000m" becomes "1"),
    and who changes or removes one takes it out of our fields.
    """
    if isinstance(wanted, Mapping):
        inner = [(f".{key}", value, fields.get(f"f:{key}")) for key, value in wanted.items()]
    elif isinstance(wanted, list):
        listed = {json.loads(key[2:]).get("name"): key for key in fields if key.startswith("k:")}
        named = [one for one in wanted if isinstance(one, Mapping) and "name" in one]
        inner = [
            (f"[{one['name']}]", one, fields.get(listed.get(one["name"], "")))
            for one in named
            if None not in listed
        ]
    else:
        return ""
    if not fields:
        return ""  # owned as a whole
    for name, value, owned in inner:
        if value in (None, "", {}, []):
            continue
        if owned is None:
            return f"{path}{name}".lstrip(".")
        if deeper := _unowned(value, owned, f"{path}{name}"):
            return deeper
    return ""
