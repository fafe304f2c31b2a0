"""Mounts of a repository's files."""

from __future__ import annotations

from pathlib import Path

import yaml

from buildonce.adopt.compose import compose_file
from buildonce.adopt.mounts import ported
from buildonce.adopt.service import Found
from buildonce.adopt.survey import Survey


def test_an_image_without_a_dockerfile_has_nothing() -> None:
    """Where git does not have the Dockerfile, what it copies cannot be told: files travel."""
    web = {"build": "./web", "volumes": ["./web/conf:/srv/conf"]}
    texts = {"compose.yaml": yaml.safe_dump({"services": {"web": web}}), "web/conf/a.conf": "a\n"}
    tree = Survey(Path("/nowhere"), tuple(texts), texts=texts)
    compose = compose_file(tree)
    assert compose is not None
    service = Found("web", "web/Dockerfile", "web", "compose.yaml", users=("web",))
    (found,) = ported(tree, compose, [service])
    assert found.files == ("web/conf/a.conf",)
