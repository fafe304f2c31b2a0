"""Objects as they are written in files."""

from __future__ import annotations

from typing import Any

import pytest

from buildonce.engines.kubernetes import manifest
from buildonce.engines.kubernetes.manifest import Manifest
from buildonce.errors import UsageError


def read(text: str) -> list[Manifest]:
    return manifest.read(text, "shop.yaml")


def named(kind: str, name: str = "api") -> Manifest:
    return Manifest({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}})


def test_an_object_is_told_from_others_by_group_kind_and_name() -> None:
    """Its version changes while it stays the same object; people call it by kind and name."""
    one = Manifest({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}})
    assert (one.group, one.key, one.title) == ("apps", "apps/Deployment/api", "deployment/api")
    core = named("Service")
    assert (core.group, core.key) == ("", "Service/api")
    assert one.reference == {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"},
    }  # fmt: skip


def test_what_is_empty_is_empty_and_no_error() -> None:
    """An object may leave everything out, or write it down without a value."""
    for body in ({}, {"kind": "Pod", "metadata": None, "spec": None}):
        one = Manifest(body)
        assert (one.name, one.namespace, one.spec, one.containers) == ("", "", {}, ())


CONTAINERS = {"initContainers": [{"name": "first"}], "containers": [{"name": "main"}]}
PODS = {"template": {"spec": CONTAINERS}}


@pytest.mark.parametrize(
    ("kind", "spec", "containers"),
    [
        ("Deployment", PODS, ["first", "main"]),
        ("Job", PODS, ["first", "main"]),
        ("CronJob", {"jobTemplate": {"spec": PODS}}, ["first", "main"]),
        ("Pod", CONTAINERS, ["first", "main"]),
        ("Deployment", {"template": {"spec": {**CONTAINERS, "initContainers": None}}}, ["main"]),
        ("CronJob", {"jobTemplate": None}, []),
        ("Deployment", {"template": "broken"}, []),
        ("Rollout", PODS, []),
    ],
)
def test_containers_are_found_where_the_kind_has_them(
    kind: str, spec: dict[str, Any], containers: list[str]
) -> None:
    """In a template, in a template of Jobs, or in the object itself; elsewhere there are none."""
    found = Manifest({"kind": kind, "spec": spec})
    assert [one["name"] for one in found.containers] == containers
    assert (found.template is None) == (kind == "Rollout")


def test_what_pods_need_is_applied_before_them() -> None:
    """The rest keeps its order, and what looks at workloads comes last."""
    kinds = ["Ingress", "Deployment", "Rollout", "Service", "ConfigMap", "Job", "ServiceAccount"]
    assert [one.kind for one in manifest.in_order(map(named, kinds))] == [
        "ServiceAccount", "ConfigMap", "Service", "Deployment", "Rollout", "Job", "Ingress",
    ]  # fmt: skip


def test_the_hash_is_the_contents() -> None:
    """In whatever order an object's fields are written."""
    turned = Manifest(dict(reversed([*named("Service").body.items()])))
    assert turned.hash == named("Service").hash
    assert named("Service").hash != named("Service", "web").hash


def test_lists_are_taken_apart_and_empty_documents_left_out() -> None:
    """However many levels there are."""
    text = """\
---
# nothing
---
kind: List
items:
- {kind: ConfigMap, metadata: {name: a}}
- kind: ConfigMapList
  items: [{kind: ConfigMap, metadata: {name: b}}]
- {kind: RoleList}
---
{kind: Service, metadata: {name: c}}
"""
    assert [one.title for one in read(text)] == ["configmap/a", "configmap/b", "service/c"]


@pytest.mark.parametrize("document", ["just text", "apiVersion: v1", "kind: List\nitems: [1]"])
def test_a_document_that_is_no_object_is_refused(document: str) -> None:
    """Every object has a kind, also in a list."""
    with pytest.raises(UsageError, match="no Kubernetes object: it has no kind") as refused:
        read(document)
    assert "apiVersion, kind and metadata.name" in refused.value.hint


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: A\nspec: [", r"expected the node content, but found '<stream end>' \(line 2\)"),
        ("kind: \x00", "it cannot be read|special characters"),
    ],
)
def test_text_that_is_not_yaml_is_refused_with_its_line(text: str, problem: str) -> None:
    """The error is the file's, in the reader's words."""
    with pytest.raises(UsageError, match=f"shop.yaml is not YAML: .*({problem})"):
        read(text)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("2026-11-30", "2026-11-30"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("8080", 8080),
        ("0x1F", 31),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("~", None),
    ],
)
def test_scalars_are_what_kubernetes_takes_them_for(written: str, value: object) -> None:
    """No dates, and no numbers to the base of sixty or with underscores: those are text."""
    (found,) = read(f"kind: A\nspec: {{value: {written}}}")
    assert found.spec["value"] == value


def test_what_is_written_reads_the_same_everywhere() -> None:
    """Text that some reader could take for something else is in quotes, and nothing is an alias."""
    shared = {"name": "ä"}
    values = ["8080", "0x1F", "1e3", "12:30", "y", "N", "true", "two\nlines\n", "a" * 200, 7, True]
    body = {"kind": "A", "spec": {"values": values, "one": shared, "other": shared}}
    text = manifest.write([Manifest(body), Manifest({"kind": "B"})])
    assert [one.body for one in read(text)] == [body, {"kind": "B"}]
    for value in ("8080", "0x1F", "1e3", "12:30", "y", "N", "true"):
        assert f"- '{value}'\n" in text
    assert text.startswith("---\nkind: A\nspec:\n  values:\n")
    assert "- |\n" in text
    assert "a" * 200 in text
    assert text.count("name: ä") == 2
    assert "&" not in text
