"""What runs, read from the engine's own descriptions."""

from collections.abc import Sequence
from typing import Any

import pytest

from buildonce.engines.inspected import (
    Container,
    manifest_digest,
    manifest_digests,
)

MANIFEST, OTHER, CONFIG = ("sha256:" + letter * 64 for letter in "abc")
NAME = f"r.example/shop/web@{MANIFEST}"


def container(**parts: Any) -> dict[str, Any]:
    return {
        "Id": "c0",
        "Name": "/shop-web-1",
        "Image": CONFIG,
        "RestartCount": 0,
        "State": {"Status": "running", "StartedAt": "2026-11-23T03:00:00Z"},
        "Config": {"Image": NAME, "Labels": {"com.docker.compose.service": "web"}},
        **parts,
    }


def image(*names: str, **parts: Any) -> dict[str, Any]:
    return {"Id": CONFIG, "RepoDigests": list(names), **parts}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(image(NAME), MANIFEST, id="pulled, on either image store"),
        pytest.param(image(f"a.example/x@{OTHER}", NAME), MANIFEST, id="as it was created"),
        pytest.param(image(f"a.example/x@{OTHER}"), OTHER, id="not what its name says"),
        pytest.param(image(Descriptor={"digest": OTHER}), OTHER, id="containerd, never pushed"),
        pytest.param(image(), None, id="classic, never pushed"),
        pytest.param(image("r.example/shop/web@<none>"), None, id="no digest at all"),
        pytest.param(None, None, id="image gone"),
    ],
)
def test_the_manifest_is_told_from_the_image(found: Any, expected: str | None) -> None:
    """The digest comes from the image that the container has, or it cannot be told."""
    assert manifest_digest(container(), found) == expected


def test_a_container_may_say_it_all() -> None:
    """Where its image is called what it was asked for by, nobody asks for the image itself."""
    named, other = container(Image=MANIFEST), container(Id="c1")
    asked: list[list[str]] = []

    def inspect(ids: Sequence[str]) -> list[dict[str, Any]]:
        asked.append(list(ids))
        return [image(f"a.example/x@{OTHER}")]

    assert manifest_digests([named, other], inspect) == {"c0": MANIFEST, "c1": OTHER}
    assert asked == [[CONFIG]]


def test_the_engine_may_know_the_manifest_of_an_image_that_is_gone() -> None:
    """A recent engine keeps a container's manifest where its image was removed."""
    kept = container(ImageManifestDescriptor={"digest": OTHER})
    assert manifest_digest(kept, None) == OTHER


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"Status": "running"}, "running"),
        ({"Status": "running", "Health": {"Status": "none"}}, "running"),
        ({"Status": "running", "Health": {"Status": "healthy"}}, "healthy"),
        ({"Status": "running", "Health": {"Status": "starting"}}, "starting"),
        ({"Status": "exited", "Health": {"Status": "healthy"}}, "exited"),
        ({"Status": "paused", "Health": {"Status": "healthy"}}, "paused"),
    ],
)
def test_a_state_is_the_health_only_of_what_runs(state: dict[str, Any], expected: str) -> None:
    """A container that does not run has no health, whatever its last check said."""
    assert Container.read(container(State=state)).state == expected


def test_a_container_that_compose_did_not_make_can_be_read() -> None:
    """Labels that are missing make a container of no service, not an error."""
    made = Container.read(container(Config={"Image": NAME, "Labels": None}))
    assert (made.service, made.number, made.one_off) == ("", 0, False)


@pytest.mark.parametrize(
    ("state", "up"),
    [("running", True), ("healthy", True), ("starting", False), ("exited", False)],
)
def test_a_container_is_up_where_it_runs_and_is_not_known_to_be_ill(state: str, up: bool) -> None:
    """One whose health is not known yet is not up."""
    described = {"Status": "running", "Health": {"Status": state}}
    if state in ("running", "exited"):
        described = {"Status": state}
    assert Container.read(container(State=described)).up is up
