"""The docker client that unit tests of engines call."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.docker_script import DockerScript


@pytest.fixture
def docker_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DockerScript:
    """A `docker` that is a script, which succeeds at everything and says nothing."""
    folder = tmp_path / "docker-script"
    folder.mkdir()
    return DockerScript.on_path(folder, monkeypatch)
