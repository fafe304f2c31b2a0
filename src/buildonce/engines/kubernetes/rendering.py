"""From a release's files to the objects that an environment runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from buildonce.engines.base import Deployment
from buildonce.engines.kubernetes import images, manifest, refusals
from buildonce.engines.kubernetes.kubectl import Kubectl, Refused
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.errors import UsageError

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")

_REFERRING = ("resources", "bases", "components", "crds")
_HELM = ("helmCharts", "helmChartInflationGenerator")


def bundle(deployment: Deployment, kubectl: Kubectl) -> str:
    """Return a release's files as one text of YAML documents, images as they are written.

    Raises:
        UsageError: the files cannot be used; the message says why, and the remedy.
    """
    if deployment.bundle is not None:
        return deployment.bundle
    with tempfile.TemporaryDirectory(prefix="buildonce-") as scratch:
        root = deployment.files.export(Path(scratch) / "tree").resolve()
        texts = [_text(root, path, deployment, kubectl) for path in deployment.files.paths]
    return "---\n".join(text if text.endswith("\n") else f"{text}\n" for text in texts)


def render(text: str, deployment: Deployment) -> list[Manifest]:
    """Return the objects of a bundle, with images by digest, in the order to apply them.

    Raises:
        UsageError: it cannot be deployed; the message says why, and the remedy.
    """
    filled, used = images.fill_in(text, deployment)
    written = manifest.read(filled, deployment.files.name)
    refusals.require_deployable(written, deployment)
    return manifest.in_order(images.replace(written, deployment, used))


def _text(root: Path, name: str, deployment: Deployment, kubectl: Kubectl) -> str:
    path = root / name
    if path.is_file():
        return path.read_text(encoding="utf-8")
    if not path.is_dir():
        raise UsageError(
            f"{name} is not in commit {deployment.sha}",
            hint="commit it, or correct `file` of the environment",
        )
    _require_own(path, root, deployment)
    try:
        return kubectl.run("kustomize", str(path))
    except Refused as refused:
        raise UsageError(
            f"{name} of release {deployment.sha} cannot be rendered: "
            + refused.complaint.replace(f"{root}/", ""),
            hint="correct the kustomization and commit it",
        ) from None


def _require_own(folder: Path, root: Path, deployment: Deployment) -> None:
    """See that a kustomization, and all that it refers to, is made of the commit's own files.

    Raises:
        UsageError: it is not; remote bases can change while the commit stays.
    """
    waiting, seen = [folder], set()
    while waiting:
        here = waiting.pop().resolve()
        if here in seen:
            continue
        seen.add(here)
        for entry in _entries(_kustomization(here, deployment)):
            path = (here / entry).resolve()
            if not path.is_relative_to(root) or not path.exists():
                raise UsageError(
                    f"{deployment.files.name}: its kustomization refers to {entry}, which is not "
                    f"in commit {deployment.sha}",
                    hint="copy remote bases into the repository: they may change, a commit cannot",
                )
            if path.is_dir():
                waiting.append(path)


def _kustomization(folder: Path, deployment: Deployment) -> dict[str, Any]:
    for name in KUSTOMIZATIONS:
        if (folder / name).is_file():
            found = yaml.safe_load((folder / name).read_text(encoding="utf-8")) or {}
            break
    else:
        raise UsageError(
            f"{deployment.files.name}: {folder.name} has no kustomization.yaml",
            hint="name a YAML file, or a folder with a kustomization",
        )
    if helm := [field for field in _HELM if field in found]:
        raise UsageError(
            f"{deployment.files.name}: {helm[0]} fetches a chart when it is rendered",
            hint="render the chart (helm template), and commit what it gives",
        )
    assert isinstance(found, dict)
    return found


def _entries(kustomization: dict[str, Any]) -> Iterator[str]:
    for field in _REFERRING:
        yield from kustomization.get(field) or ()
