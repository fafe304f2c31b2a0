"""How the parts are put together."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from buildonce.app import App
from buildonce.plan.steps import Step


def test_every_step_has_a_handler(tmp_path: Path) -> None:
    """A plan that can be made can be carried out."""
    table = {"registry": "registry.example/shop", "services": {"web": {}}}
    app = App(tmp_path, table)
    app.__dict__["ledger"] = None
    assert set(app.executor.handlers) == set(get_args(Step))
