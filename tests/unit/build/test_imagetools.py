"""Images between registries: what the client is told, and what its words mean."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildonce.build.imagetools import Imagetools
from buildonce.errors import UnavailableError
from buildonce.refs import ImageRef
from tests.kit.docker_program import docker_program

SOURCE, TAG = ImageRef.parse("r.example/shop/web:1"), ImageRef.parse("other.example/shop/web:2")
CREATE = "buildx imagetools create --prefer-index=false"

pytestmark = pytest.mark.stand_in
posix = pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")


@posix
def test_a_copy_that_succeeds_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a plain manifest stays plain."""
    docker_program(tmp_path, monkeypatch, {CREATE: ""})
    Imagetools().copy(SOURCE, TAG)
    assert (tmp_path / "calls").read_text().splitlines() == [f"{CREATE} --tag {TAG} {SOURCE}"]


@posix
@pytest.mark.parametrize(
    ("complaint", "said"),
    [("first\nERROR: denied", "denied"), ("", "it ended with 3")],
)
def test_a_copy_that_fails_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, complaint: str, said: str
) -> None:
    """In the end the error has the client's last word, and names the registry to log in to."""
    docker_program(tmp_path, monkeypatch, {}, complaint=complaint)
    with pytest.raises(UnavailableError) as failure:
        Imagetools().copy(SOURCE, TAG)
    assert str(failure.value) == f"copying {SOURCE} to {TAG}: {said}"
    assert failure.value.hint == "docker login other.example; inv doctor"
    assert len((tmp_path / "calls").read_text().splitlines()) == 3


@posix
def test_a_manifest_is_its_very_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of what is printed is left out."""
    docker_program(tmp_path, monkeypatch, {f"imagetools inspect --raw {SOURCE}": '{"a": 1}\n '})
    assert Imagetools().raw(SOURCE) == b'{"a": 1}\n '


@posix
def test_a_manifest_that_is_not_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any other refusal is an error: it may be there."""
    docker_program(tmp_path, monkeypatch, {}, complaint=f"ERROR: {SOURCE}: not found")
    assert Imagetools().raw(SOURCE) is None
    docker_program(tmp_path, monkeypatch, {}, complaint="ERROR: 401 Unauthorized")
    with pytest.raises(UnavailableError, match=r"^reading .* by docker buildx: 401 Unauthorized"):
        Imagetools().raw(SOURCE)


def test_without_a_client_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback of another library reaches a person."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="there is no docker client on this machine"):
        Imagetools().raw(SOURCE)
