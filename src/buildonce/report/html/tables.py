"""Tables that can be scrolled by keyboard and read by a screen reader."""

from __future__ import annotations

from collections.abc import Sequence

from buildonce.report.html.markup import Markup, element, join

SHOWN = 10
"""How many rows of a long table are there at once."""


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """Return a table; the first cell of a row is its heading."""
    head = element("tr", *(element("th", column, scope="col") for column in columns))
    body = [
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(element("td", cell) for cell in row[1:]),
        )
        for row in rows
    ]  # fmt: skip
    made = element(
        "table", element("caption", caption), element("thead", head), element("tbody", *body)
    )
    return element(
        "div", made, class_="scroll", tabindex="0", role="region", aria_label=caption
    )  # fmt: skip


def newest(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """Return a table of the first rows, and of the others on demand."""
    shown, rest = rows[:SHOWN], rows[SHOWN:]
    if not rest:
        return table(caption, columns, shown)
    more = details(f"{len(rest)} more", table(f"{caption}: the rest", columns, rest))
    return join(table(caption, columns, shown), more)


def long(text: str) -> Markup:
    """Return a text of any length and kind, which breaks where it has to."""
    return element("span", text, class_="long") if text else join()


def human(text: str) -> Markup:
    """Return a person's name."""
    return element("span", text, class_="name")


def details(summary: str, *content: str) -> Markup:
    """Return what is shown on demand, without a script."""
    return element("details", element("summary", summary), *content)


def badge(kind: str, sign: str, text: str) -> Markup:
    """Return a verdict: never by colour alone."""
    return element("span", f"{sign} {text}", class_=f"badge {kind}")


def section(identity: str, heading: str, *content: str) -> Markup:
    """Return a section of the page with its heading."""
    title = element("h2", heading, id=identity)
    return element("section", title, join(*content), aria_labelledby=identity)


def paragraph(*content: str) -> Markup:
    """Return a paragraph."""
    return element("p", *content)


def digest(value: str) -> Markup:
    """Return a digest that one click selects whole."""
    return element("code", value, class_="digest")
