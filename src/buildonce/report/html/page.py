"""The page: one file, without a script, that loads nothing."""

from __future__ import annotations

from pathlib import Path

from buildonce.report.html import charts, sections
from buildonce.report.html.markup import Markup, element, join
from buildonce.report.html.model import Report
from buildonce.report.html.words import moment

_STYLE = Path(__file__).with_name("style.css")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Nothing is loaded and no script runs, whatever the data holds (W3C's CSP, level 3)."""


def page(report: Report) -> str:
    """Return the whole document."""
    return "<!doctype html>\n" + element("html", _head(report), _body(report), lang="en") + "\n"


def _head(report: Report) -> Markup:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{report.title}: releases"),
        element("style", Markup(_STYLE.read_text(encoding="utf-8"))),
    )


def _body(report: Report) -> Markup:
    content = [
        sections.environments(report),
        sections.pending(report),
        sections.timeline(report),
        charts.delivery(report),
        sections.evidence(report),
        charts.sizes(report),
    ]
    made = element("p", "As of ", moment(report.made_at), ".")
    header = element("header", element("h1", f"{report.title}: releases"), made, _contents())
    return element("body", header, element("main", join(*content)))


def _contents() -> Markup:
    links = {
        "environments": "Environments", "next": "Next", "timeline": "History",
        "delivery": "Delivery", "evidence": "Evidence", "sizes": "Sizes",
    }  # fmt: skip
    items = (
        element("li", element("a", text, href=f"#{identity}")) for identity, text in links.items()
    )
    return element("nav", element("ul", *items), aria_label="Contents")
