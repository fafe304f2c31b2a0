"""Cases of a parametrized test that no merge waits for."""

from __future__ import annotations

from typing import Any

import pytest


def nightly(*values: Any, id: str | None = None) -> Any:  # noqa: A002 - as pytest.param has it
    """One more case of what the other cases show before merging."""
    return pytest.param(*values, marks=pytest.mark.nightly, id=id)
