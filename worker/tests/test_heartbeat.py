"""The worker's sign of life."""

from pathlib import Path

import pytest
from beacon_worker.heartbeat import beat, seconds_overdue


def test_a_beat_lasts_for_its_time(tmp_path: Path) -> None:
    """Right after a beat the next one is not overdue."""
    beat(60, tmp_path / "heartbeat")
    assert -60 <= seconds_overdue(tmp_path / "heartbeat") < 0


def test_a_beat_runs_out(tmp_path: Path) -> None:
    """A worker that hangs is found overdue."""
    beat(-1, tmp_path / "heartbeat")
    assert seconds_overdue(tmp_path / "heartbeat") >= 1


def test_without_a_beat_there_is_nothing_to_judge(tmp_path: Path) -> None:
    """A worker that has not completed a round is told apart from one that stopped."""
    with pytest.raises(FileNotFoundError):
        seconds_overdue(tmp_path / "heartbeat")
