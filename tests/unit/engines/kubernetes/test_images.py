"""The release's images in manifests: as variables, by their repository, by another name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from buildonce.engines.base import Deployment, Files, Target
from buildonce.engines.kubernetes import images, manifest
from buildonce.errors import UsageError
from tests.kit.kubernetes import document, workload
from tests.kit.samples import REGISTRY, image

API, WORKER = image("api", "api 1").ref, image("worker", "worker 1").ref


def deployment(**changed: object) -> Deployment:
    known: Mapping[str, object] = {
        "target": Target("production", "kubernetes", namespace="shop"),
        "sha": "abc",
        "files": Files(("shop.yaml",), lambda _: Path("/nowhere"), lambda _: ""),
        "images": {"api": API},
        **changed,
    }
    return Deployment(**known)  # type: ignore[arg-type]


def pod(name: str, image: str, **rest: object) -> str:
    return workload("Deployment", name, {"name": name, "image": image, **rest}, replicas=1)


def replaced(text: str, **changed: object) -> list[str]:
    """The images of the containers after the release's took their places."""
    given = deployment(**changed)
    filled, used = images.fill_in(text, given)
    objects = images.replace(manifest.read(filled, "shop.yaml"), given, used)
    return [str(container["image"]) for one in objects for container in one.containers]


@pytest.mark.parametrize(
    "written", [f"{REGISTRY}/api", f"{REGISTRY}/api:v1", f"{REGISTRY}/api@sha256:{'0' * 64}"]
)
def test_a_services_repository_is_replaced_under_any_tag(written: str) -> None:
    """Whatever tag or digest the manifest has, the container gets the release's."""
    assert replaced(pod("api", written)) == [str(API)]


@pytest.mark.parametrize(
    "written", ["${BUILDONCE_IMAGE_API}", "${BUILDONCE_IMAGE_API:?names the image}"]
)
def test_a_variable_is_filled_in(written: str) -> None:
    """As in Compose files, with or without a message."""
    assert replaced(pod("api", written)) == [str(API)]


def test_another_name_is_replaced_where_the_configuration_says_so() -> None:
    """A name of Docker Hub in its short form is the same name."""
    assert replaced(pod("api", "acme/api:1"), names={"api": "docker.io/acme/api"}) == [str(API)]


def test_others_images_stay() -> None:
    """A sidecar of somebody else's is not touched."""
    text = pod("api", f"{REGISTRY}/api") + pod("proxy", "envoyproxy/envoy:v1")
    assert replaced(text) == [str(API), "envoyproxy/envoy:v1"]


def test_init_containers_and_cron_jobs_are_looked_into() -> None:
    """Every container of every pod template has the release's bytes."""
    spec = {
        "containers": [{"name": "main", "image": f"{REGISTRY}/api"}],
        "initContainers": [{"name": "first", "image": f"{REGISTRY}/api"}],
    }
    job = {"jobTemplate": {"spec": {"template": {"spec": spec}}}}
    assert replaced(document("batch/v1", "CronJob", "nightly", spec=job)) == [str(API)] * 2


def test_only_the_environments_variables_are_filled_in() -> None:
    """Other `${…}` may be a shell's, and stay."""
    text = pod("api", f"{REGISTRY}/api", command=["sh", "-c", "echo ${COLOUR} ${HOME}"])
    filled, _ = images.fill_in(text, deployment(variables={"COLOUR": "red"}))
    assert "echo red ${HOME}" in filled


def test_an_image_that_the_release_lacks_is_an_error() -> None:
    """The message names it, and those that there are."""
    with pytest.raises(UsageError, match="BUILDONCE_IMAGE_MAIL") as refused:
        images.fill_in(pod("mail", "${BUILDONCE_IMAGE_MAIL}"), deployment())
    assert "BUILDONCE_IMAGE_API" in refused.value.hint


def test_a_service_that_is_found_nowhere_is_an_error() -> None:
    """Nothing would run its bytes, so that nothing is deployed."""
    with pytest.raises(UsageError, match="no container of service worker") as refused:
        replaced(pod("api", f"{REGISTRY}/api"), images={"api": API, "worker": WORKER})
    assert f"{REGISTRY}/worker" in refused.value.hint


def test_an_image_in_a_field_of_its_own_is_an_error() -> None:
    """An argument that names a service's image by a tag would go on naming it."""
    text = pod("api", f"{REGISTRY}/api", args=[f"{REGISTRY}/api:v1"])
    with pytest.raises(UsageError, match=r"args\[0\] of deployment/api names .*api:v1"):
        replaced(text)


def test_an_image_that_is_a_variable_without_a_value_is_an_error() -> None:
    """The API would take it, and the kubelet would not: it is told before anything is touched."""
    text = pod("api", f"{REGISTRY}/api") + pod("store", "${STORE_IMAGE}")
    with pytest.raises(
        UsageError, match=r"container store of deployment/store .*STORE_IMAGE"
    ) as no:
        replaced(text)
    assert "tool.buildonce.environments.production.variables" in no.value.hint
    given = {"STORE_IMAGE": "valkey/valkey:8"}
    assert replaced(text, variables=given) == [str(API), "valkey/valkey:8"]
