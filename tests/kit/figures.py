"""What tests measured, for the end of the run and for its JUnit report."""

from __future__ import annotations

from collections.abc import Callable

Figures = Callable[..., None]
"""Called as `figures("what was measured", seconds=1.5, ...)`."""
