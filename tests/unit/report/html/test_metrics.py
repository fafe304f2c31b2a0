"""DORA's four measures, from deployments with known times."""

from __future__ import annotations

from datetime import timedelta

import pytest

from buildonce.report.html.metrics import WEEKS, measure, typical
from buildonce.report.html.model import Deployment
from tests.unit.report.html.samples import NOW, days, deployment, history


def test_the_frequency_counts_what_succeeded_by_week() -> None:
    """Twelve weeks up to this one; rollbacks and failures are no deliveries."""
    weeks = measure(history(), NOW).weeks
    assert len(weeks) == WEEKS
    assert weeks[-1][0].weekday() == 0
    assert weeks[-1][1] == 1
    assert sum(count for _, count in weeks) == 6


def test_lead_time_is_from_commit_to_the_end_of_its_promotion() -> None:
    """Of several commits that a promotion brought, the median counts."""
    one = deployment(1, 10, commits=(days(13), days(11), days(12)))
    (point,) = measure([one], NOW).lead_times
    assert point.took == timedelta(days=2, minutes=4)


def test_without_known_commits_there_is_no_lead_time() -> None:
    """Where history is cut off, nothing is guessed."""
    assert measure([deployment(1, 10, commits=())], NOW).lead_times == ()
    assert typical([]) is None


@pytest.mark.parametrize(
    ("deployments", "rate"),
    [
        ([], None),
        ([deployment(1, 9)], 0),
        ([deployment(1, 9), deployment(2, 8, outcome="failed")], 1 / 2),
        ([deployment(1, 9), deployment(2, 8, outcome="broken", took=None)], 1 / 2),
        ([deployment(1, 9), deployment(2, 8), deployment(3, 7, kind="rollback")], 1 / 2),
        ([deployment(1, 9), deployment(2, 8, outcome="aborted")], 0),
        ([deployment(1, 9), deployment(2, 8, outcome="in progress", took=None)], 0),
    ],
)
def test_the_failure_rate(deployments: list[Deployment], rate: float | None) -> None:
    """What failed, broke or was rolled back from, of what ended; nothing of what was aborted."""
    assert measure(deployments, NOW).failure_rate == rate


def test_a_rollback_restores_what_the_promotion_before_it_broke() -> None:
    """The time counts from when the bad release was up until the one before it was again."""
    bad, back = deployment(1, 3), deployment(2, 2, kind="rollback")
    (point,) = measure([bad, back], NOW).restores
    assert (point.took, point.release) == (timedelta(days=1), bad.release)


def test_a_second_rollback_restores_nothing_more() -> None:
    """Going further back does not count the same failure twice."""
    deployments = [deployment(1, 4)]
    deployments += [deployment(number, 4 - number, kind="rollback") for number in (2, 3)]
    assert len(measure(deployments, NOW).restores) == 1


def test_a_promotion_that_was_put_back_lasted_as_long_as_it_took() -> None:
    """Putting back is part of the promotion."""
    (point,) = measure([deployment(1, 3, outcome="failed")], NOW).restores
    assert point.took == timedelta(minutes=4)
