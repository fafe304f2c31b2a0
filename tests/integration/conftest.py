"""The registry that integration tests use, and monorepos for commands in the test's process."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from unittest import mock

import pytest

import lab
from tests.kit.monorepo import Make, Monorepo


@pytest.fixture(scope="session")
def running() -> lab.Lab:
    """A lab that is a registry alone."""
    return lab.up(engine=False)


@pytest.fixture
def project(make: Make, env: Mapping[str, str]) -> Iterator[Monorepo]:
    """A monorepo of one commit that was not built, and its environment in this process."""
    with mock.patch.dict(os.environ, env, clear=True):
        yield make()
