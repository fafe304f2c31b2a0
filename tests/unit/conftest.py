"""Unit tests touch nothing but memory and their own temporary folder."""

from __future__ import annotations

import socket
import subprocess
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "busy machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy machine")


@pytest.fixture(autouse=True)
def nothing_outside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every subprocess and every connection fail the test."""

    def refuse(*arguments: object, **_: object) -> NoReturn:
        pytest.fail(f"a unit test reached outside: {arguments[:2]}")

    if not request.node.get_closest_marker("stand_in"):
        monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    for name in ("CI", "GITHUB_ACTIONS", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
