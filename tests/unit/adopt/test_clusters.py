"""What manifests, kustomizations and Skaffold tell of environments on Kubernetes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import tomli

from buildonce.adopt.clusters import names
from buildonce.adopt.proposal import propose
from buildonce.adopt.service import Found
from buildonce.adopt.survey import Survey
from buildonce.config import Environment, parse
from tests.kit.foreign import KUBERNETES, KUSTOMIZE

DOCKERFILES = {"api/Dockerfile": "FROM x\n", "worker/Dockerfile": "FROM x\n"}
REGISTRY = "registry.acme.test/shop"


def workload(name: str, image: str, kind: str = "Deployment", namespace: str = "") -> str:
    where = f"\n  namespace: {namespace}" if namespace else ""
    return (
        f"apiVersion: apps/v1\nkind: {kind}\nmetadata:\n  name: {name}{where}\nspec:\n"
        f"  template:\n    spec:\n      containers:\n      - name: {name}\n        image: {image}\n"
    )


def proposed(files: Mapping[str, str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The table as it is once its lines are uncommented, and what is left to decide."""
    made = propose(Survey(Path("/src/shop"), tuple(sorted(files)), "origin", "", files))
    table = tomli.loads(made.table.replace("# ", ""))["tool"]["buildonce"]
    parse(table)
    return table, made.decisions


def environments(files: Mapping[str, str]) -> dict[str, Environment]:
    return dict(parse(proposed(files)[0]).environments)


def test_overlays_are_environments() -> None:
    """Folder, namespace and the images' other names are taken from each, in order."""
    found = environments(KUSTOMIZE)
    assert list(found) == ["staging", "production"]
    production = found["production"]
    assert production.files == ("deploy/overlays/production",)
    assert (production.namespace, production.project, production.after) == (
        "acme", "shop", "staging",
    )  # fmt: skip
    assert production.images == {
        "storefront": f"{REGISTRY}/acme-storefront",
        "ledgerd": f"{REGISTRY}/acme-ledger",
    }


def test_the_lines_are_for_a_person_to_switch_on() -> None:
    """Nothing is deployed before somebody has named the context, which is said to be made up."""
    made = propose(Survey(Path("/src/shop"), tuple(sorted(KUSTOMIZE)), "origin", "", KUSTOMIZE))
    written = parse(tomli.loads(made.table)["tool"]["buildonce"]).environments
    assert {settings.engine for settings in written.values()} == {"none"}
    assert any("context 'production' is made up" in decision for decision in made.decisions)


def test_the_registry_is_the_one_that_kustomizations_name() -> None:
    """`newName` of an overlay says where images lie."""
    assert proposed(KUSTOMIZE)[0]["registry"] == REGISTRY


def test_the_registry_is_the_one_that_skaffold_names() -> None:
    """Without a name in the manifests, an artifact's image says it."""
    assert proposed(KUBERNETES)[0]["registry"] == "europe-docker.pkg.dev/acme/shop"


def test_images_with_one_prefix_are_a_template() -> None:
    """`acme-api` and `acme-worker` need no mapping: their names are the services', prefixed."""
    files = {
        **DOCKERFILES,
        "k8s/api.yaml": workload("api", f"{REGISTRY}/acme-api:v1"),
        "k8s/worker.yaml": workload("worker", f"{REGISTRY}/acme-worker@sha256:{'a' * 64}"),
    }
    table, _ = proposed(files)
    assert (table["registry"], table["image"]) == (REGISTRY, "{registry}/acme-{service}")
    assert "images" not in table["environments"]["staging"]


def test_plain_manifests_are_every_environments() -> None:
    """Files without a kustomization are named one by one, for environments of the usual names."""
    files = {
        **DOCKERFILES,
        "k8s/api.yaml": workload("api", "acme/api"),
        "k8s/worker.yaml": workload("worker", "acme/worker"),
        "charts/other/templates/api.yaml": workload("other", "acme/other"),
        ".github/workflows/ci.yml": "name: ci\n",
    }
    found = environments(files)
    assert list(found) == ["staging", "production"]
    assert {one.files for one in found.values()} == {("k8s/api.yaml", "k8s/worker.yaml")}
    assert found["staging"].namespace == "shop-staging"
    assert any("namespace shop-staging is made up" in one for one in proposed(files)[1])


def test_folders_of_environments_share_what_is_beside_them() -> None:
    """Without overlays, a folder called as an environment has its own files and the common ones."""
    files = {
        **DOCKERFILES,
        "k8s/api.yaml": workload("api", "acme/api"),
        "k8s/staging/worker.yaml": workload("worker", "acme/worker", namespace="blue"),
        "k8s/production/worker.yaml": workload("worker", "acme/worker", "StatefulSet", "green"),
    }
    found = environments(files)
    assert found["staging"].files == ("k8s/api.yaml", "k8s/staging/worker.yaml")
    assert (found["staging"].namespace, found["production"].namespace) == ("blue", "green")


def test_overlays_of_each_service_are_one_environment() -> None:
    """Where every service has its own, an environment is made of all of its name."""
    files = dict(DOCKERFILES)
    for name in ("api", "worker"):
        files[f"{name}/base/kustomization.yaml"] = "resources: [main.yaml]\n"
        files[f"{name}/base/main.yaml"] = workload(name, f"acme/{name}")
        for stage in ("prod", "staging"):
            files[f"{name}/overlays/{stage}/kustomization.yaml"] = "resources: [../../base]\n"
    found = environments(files)
    assert {name: one.files for name, one in found.items()} == {
        "staging": ("api/overlays/staging", "worker/overlays/staging"),
        "prod": ("api/overlays/prod", "worker/overlays/prod"),
    }


def test_what_only_looks_like_a_manifest_is_none() -> None:
    """Settings of tools, a chart's templates and lone objects elsewhere are not deployed."""
    lone = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: lone}\n"
    files = {
        **DOCKERFILES,
        "skaffold.yaml": "apiVersion: skaffold/v4beta11\nkind: Config\n",
        "app.yaml": workload("api", "acme/api"),
        "helm/shop/Chart.yaml": "apiVersion: v2\nname: shop\n",
        "helm/shop/templates/worker.yaml": workload("worker", "acme/worker"),
        "catalog-info.yaml": "apiVersion: backstage.io/v1alpha1\nkind: Component\n",
    }
    table, decisions = proposed(files)
    assert table["environments"]["staging"]["file"] == "app.yaml"
    assert any(one.startswith("helm/shop is a Helm chart") for one in decisions)
    nested = {**DOCKERFILES, "k8s/api.yaml": workload("api", "a"), "settings/lone.yaml": lone}
    assert proposed(nested)[0]["environments"]["staging"]["file"] == "k8s/api.yaml"


def test_a_kustomization_alone_is_every_environments() -> None:
    """One folder without overlays serves all."""
    files = {
        **DOCKERFILES,
        "k8s/kustomization.yaml": "resources: [api.yaml, worker.yaml]\n",
        "k8s/api.yaml": workload("api", "acme/api"),
        "k8s/worker.yaml": workload("worker", "acme/worker"),
    }
    assert {one.files for one in environments(files).values()} == {("k8s",)}


def test_services_that_are_not_run_are_left_out() -> None:
    """What no manifest runs is named, and the others are listed."""
    table, decisions = proposed({**DOCKERFILES, "k8s/api.yaml": workload("api", "acme/api")})
    assert table["environments"]["staging"]["services"] == ["api"]
    assert any("runs worker by a name that is known" in decision for decision in decisions)


@pytest.mark.parametrize(
    ("files", "title"),
    [
        (
            {"k8s/n.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: acme}\n"},
            "namespace/acme in",
        ),
        (
            {"k8s/s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: YQ==}\n"},
            "secret/s in",
        ),
        (
            {"k8s/kustomization.yaml": "resources: [api.yaml]\nsecretGenerator: [{name: s}]\n"},
            "secretGenerator in",
        ),
    ],
)
def test_what_will_be_refused_is_said(files: dict[str, str], title: str) -> None:
    """Before the first deploy, with the page that has the remedy."""
    _, decisions = proposed({**DOCKERFILES, "k8s/api.yaml": workload("api", "a"), **files})
    assert any(title in one and "documentation on Kubernetes" in one for one in decisions)


def test_names_made_of_variables_are_no_names() -> None:
    """What `envsubst` or a template fills in says nothing about the registry."""
    files = {**DOCKERFILES, "k8s/api.yaml": workload("api", '"${REGISTRY}/api:${TAG}"')}
    assert proposed(files)[0]["registry"] == "registry.example.com/shop"


def test_a_circle_of_kustomizations_ends() -> None:
    """A kustomization that refers to itself is read once."""
    files = {**DOCKERFILES, "k8s/overlays/prod/kustomization.yaml": "resources: [../prod]\n"}
    assert list(environments(files)) == ["prod"]


def test_several_namespaces_are_several_environments() -> None:
    """An environment has one namespace: where manifests name more, they are listed."""
    for namespaces in (("one",), ("one", "two")):
        files = {
            f"k8s/{name}.yaml": workload(name, f"{REGISTRY}/{name}", namespace=namespace)
            for name, namespace in zip(("api", "worker"), (namespaces * 2)[:2], strict=True)
        }
        decisions = [one for one in proposed({**DOCKERFILES, **files})[1] if "for several" in one]
        assert bool(decisions) is (len(namespaces) > 1)
        assert all("(one, two): each has to be an environment" in one for one in decisions)


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("localhost/api", "localhost"),
        ("registry:5000/api", "registry:5000"),
        ("r.example/acme/api", "r.example/acme"),
        ("acme/api", None),
        ("api.local", None),
    ],
)
def test_an_image_names_its_registry_or_none(image: str, registry: str | None) -> None:
    """A host is told from an account by its dot, its port or its being this machine."""
    found = names([Found("api", "api/Dockerfile", "api", "skaffold.yaml", image=image)], {})
    assert (found.registry if found else None) == registry
