"""Commands in the test's own process, with the environment that `inv` would have."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from rich.console import Console

from buildonce.app import App
from buildonce.config import read_table
from buildonce.registry import Registry
from buildonce.report.terminal import Reporter
from tests.kit.monorepo import Monorepo


class Heard(Reporter):
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self._heard = io.StringIO()
        self.out = self.err = Console(file=self._heard, width=1000)

    @property
    def text(self) -> str:
        return self._heard.getvalue()


def app(repo: Monorepo, *, dry_run: bool = False, **settings: Any) -> App:
    """What a command is given, as `inv` makes it; `settings` override the configuration's."""
    place = {"registry": repo.registry, "image": f"{{registry}}/{repo.namespace}/{{service}}"}
    table = {**read_table(repo.root), **place, **settings}
    return App(repo.root, table, dry_run=dry_run, report=Heard())


def heard(there: App) -> str:
    """What a command has said so far."""
    assert isinstance(there.report, Heard)
    return there.report.text


ANY_AGE: Any = {"overrides": ("forward",), "reason": "an older one, on purpose"}
"""What `promote` takes to bring a release from before the one that runs."""


class Killed(BaseException):
    """This process is as good as dead: nothing of the library may catch it."""


def leave_open(command: Callable[[], None]) -> None:
    """Run a promotion or rollback that dies once its intent is in the ledger."""
    with mock.patch.object(Registry, "point", side_effect=Killed), pytest.raises(Killed):
        command()
