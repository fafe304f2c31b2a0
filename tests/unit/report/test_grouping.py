"""What of the evidence is one row, and what never is."""

from __future__ import annotations

from dataclasses import replace

from buildonce.report.grouping import grouped
from buildonce.verify.evidence import Evidence, unchecked
from tests.kit.samples import digest

WEB = Evidence("staging", "web", "pointer", "r/web:staging", digest("a"), digest("a"))
JOBS = Evidence("staging", "jobs", "pointer", "r/jobs:staging", digest("b"), digest("b"))


def test_a_check_that_holds_is_one_row_for_all_services() -> None:
    """Its services are named, and how many digests were compared."""
    (row,) = grouped([WEB, JOBS])
    assert (row.mark, row.service, row.expected, row.found) == (
        "✓", "web, jobs", "2 digests", "2 digests",
    )  # fmt: skip


def test_a_value_that_all_share_is_shown() -> None:
    """Two services from one commit have that commit in their row."""
    rows = [replace(one, expected=digest("c"), found=digest("c")) for one in (WEB, JOBS)]
    (row,) = grouped(rows)
    assert row.found == digest("c")


def test_every_row_that_does_not_hold_is_shown() -> None:
    """Each difference keeps both sides, its place and its service."""
    bad = [replace(one, found=digest("d")) for one in (WEB, JOBS)]
    assert grouped([*bad, WEB]) == [*bad, WEB]
    assert grouped([bad[0], bad[0]]) == [bad[0], bad[0]]


def test_environments_and_checks_are_rows_of_their_own() -> None:
    """Nothing of one environment is told with another's."""
    rows = [WEB, replace(WEB, environment="production"), replace(WEB, check="bytes")]
    assert grouped(rows) == rows


def test_what_cannot_be_told_stays_unchecked() -> None:
    """Reasons that differ are told apart; one that services share is told once."""
    rows = [unchecked("staging", name, "label", "r", "no label") for name in ("web", "jobs")]
    other = unchecked("staging", "mail", "label", "r", "another reason")
    merged, alone = grouped([*rows, other])
    assert (merged.mark, merged.service, merged.found) == ("•", "web, jobs", "no label")
    assert alone == other


def test_where_an_image_was_built_does_not_part_a_check() -> None:
    """Services built in different commits are one row of labels."""
    rows = [
        replace(WEB, check="revision label, built from 3cb2fa7", expected="3", found="3"),
        replace(JOBS, check="revision label", expected="4", found="4"),
    ]
    (row,) = grouped(rows)
    assert (row.check, row.found) == ("revision label", "2 values")
