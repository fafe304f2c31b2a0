"""HTML elements from values: everything that is not markup already is escaped."""

from __future__ import annotations

from html import escape

from buildonce.report.visible import visible

VOID = frozenset({"meta", "line", "circle", "rect", "path", "polyline"})
"""Elements without content, of HTML and of SVG."""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: object) -> Markup:
    """Return an element; a child that is no markup, and each attribute, is escaped.

    ``class_`` is the attribute ``class``, ``stroke_width`` is ``stroke-width``. One that is
    None or empty is left out.
    """
    opening = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Markup(f"<{name}{opening}/>")
    return Markup(f"<{name}{opening}>{join(*children)}</{name}>")


def join(*children: str) -> Markup:
    """Return several pieces, one after another."""
    return Markup("".join(markup(child) for child in children))


def markup(text: str) -> Markup:
    """Return text as markup."""
    return text if isinstance(text, Markup) else Markup(escape(visible(text)))


def _attribute(key: str, value: object) -> str:
    if value is None or value == "":
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f' {name}="{escape(visible(str(value)))}"'
