"""Markdown for the summaries of runs: what comes from people stays text."""

from __future__ import annotations

import html
import re

import pytest

from buildonce.report import markdown
from buildonce.report.markdown import evidence_markdown
from buildonce.verify.evidence import Evidence
from tests.kit.samples import digest

GOOD = Evidence("staging", "web", "pointer", "r/web:staging", digest("a"), digest("a"))
BAD = Evidence("production", "web", "pointer", "r/web:production", digest("a"), digest("b"))


@pytest.mark.parametrize(
    "hostile",
    ["<script>alert(1)</script>", "[x](http://x)", "a | b", "@acme/all", "**b** `c`", "http://x"],
)
def test_text_has_nothing_to_render(hostile: str) -> None:
    """A reader sees the very characters: none of them is Markdown's own any more."""
    shown = markdown.text(hostile)
    assert not re.search(r"[<>|\[\]()*`@:]", re.sub(r"&#\d+;", "", shown))
    assert html.unescape(shown) == hostile


def test_text_is_one_line() -> None:
    """A line break would end the table."""
    assert markdown.text("a\nb\r\n c") == "a b c"


def test_code_cannot_be_left() -> None:
    """Neither a backtick nor a column's mark ends a cell of code."""
    assert markdown.code("a`<b>|c") == "`a'<b>\\|c`"


def test_evidence_as_markdown_is_a_table() -> None:
    """Each row has its verdict and both values in full."""
    *_, good, bad = evidence_markdown([GOOD, BAD]).strip().splitlines()
    assert good.startswith("| ✅ | staging | web | pointer |")
    assert bad.startswith("| ❌ | production | web | pointer |")
    assert f"`{digest('b')}`" in bad
