"""What no merge waits for: further cases of a test, and all of what it takes a sample of."""

from __future__ import annotations

import os
from typing import Any

import pytest

IN_FULL = os.environ.get("BUILDONCE_FAULTS") == "all"
"""Whether tests that take a sample are to take all, or far more: `nox -s faults`."""


def nightly(*values: Any, id: str | None = None) -> Any:  # noqa: A002 - as pytest.param has it
    """One more case of what the other cases show before merging."""
    return pytest.param(*values, marks=pytest.mark.nightly, id=id)
