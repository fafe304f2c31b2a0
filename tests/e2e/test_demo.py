"""The README's first command: the demo plays, and everything in it happens as told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.kit.repository import ROOT


@pytest.mark.nightly
def test_the_demo_plays_to_its_end() -> None:
    """Build, promote, deploy, a bad release, tampering and repair all end as the demo tells."""
    played = subprocess.run(
        [sys.executable, "-m", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert played.returncode == 0, played.stdout[-3000:] + played.stderr[-2000:]
    assert "all as told" in played.stdout
