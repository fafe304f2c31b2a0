"""Plots as inline SVG. Colours are the style sheet's, so that they follow light and dark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from buildonce.report.html.markup import Markup, element, join

WIDTH, HEIGHT = 420, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 12, 12, 26


@dataclass(frozen=True)
class Point:
    """One value at a time, and what a pointer over it reads."""

    at: datetime
    value: float
    label: str


@dataclass(frozen=True)
class _Scale:
    begin: datetime
    end: datetime
    top: float

    def x(self, at: datetime) -> float:
        span = (self.end - self.begin).total_seconds() or 1.0
        share = (at - self.begin).total_seconds() / span
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - _BOTTOM - value / self.top * (HEIGHT - _TOP - _BOTTOM), 1)


def dots(points: Sequence[Point], summary: str, unit: Callable[[float], str]) -> Markup:
    """Return values over time, each a dot."""
    scale = _scale(points)
    marks = [
        element(
            "g",
            element("circle", class_="dot", cx=scale.x(one.at), cy=scale.y(one.value), r=4),
            element("title", one.label),
        )
        for one in points
    ]
    return _plot(summary, scale, unit, marks)


def bars(points: Sequence[Point], summary: str, unit: Callable[[float], str]) -> Markup:
    """Return a bar for each of evenly spaced counts, the oldest first."""
    top = 2.0 * max(ceil(max(one.value for one in points) / 2), 1)
    scale = _Scale(points[0].at, points[-1].at, top)
    step = (WIDTH - _LEFT - _RIGHT) / len(points)
    marks = [
        element(
            "g",
            element(
                "rect", class_="bar", x=round(_LEFT + number * step + step * 0.15, 1),
                y=scale.y(one.value), width=round(step * 0.7, 1),
                height=round(HEIGHT - _BOTTOM - scale.y(one.value), 1),
            ),
            element("title", one.label),
        )
        for number, one in enumerate(points)
    ]  # fmt: skip
    return _plot(summary, scale, unit, marks)


def lines(
    series: Mapping[str, Sequence[Point]], summary: str, unit: Callable[[float], str]
) -> Markup:
    """Return one line for each series, with its name at the end."""
    scale = _scale([one for points in series.values() for one in points])
    marks = []
    for number, points in enumerate(series.values()):
        style = f"series series-{number % 8}"
        path = " ".join(f"{scale.x(one.at)},{scale.y(one.value)}" for one in points)
        circles = [
            element(
                "g",
                element("circle", class_=style, cx=scale.x(one.at), cy=scale.y(one.value), r=3),
                element("title", one.label),
            )
            for one in points
        ]
        marks.append(join(element("polyline", class_=style, points=path), *circles))
    return _plot(summary, scale, unit, marks)


def _scale(points: Sequence[Point]) -> _Scale:
    times = [one.at for one in points]
    return _Scale(min(times), max(times), max(one.value for one in points) * 1.1 or 1.0)


def _plot(
    summary: str, scale: _Scale, unit: Callable[[float], str], marks: Sequence[Markup]
) -> Markup:
    return element(
        "svg", *_axes(scale, unit), *marks,
        role="img", aria_label=summary, viewBox=f"0 0 {WIDTH} {HEIGHT}",
    )  # fmt: skip


def _axes(scale: _Scale, unit: Callable[[float], str]) -> list[Markup]:
    base = HEIGHT - _BOTTOM
    levels = [
        join(
            element(
                "line", class_="grid", x1=_LEFT, x2=WIDTH - _RIGHT, y1=scale.y(value),
                y2=scale.y(value),
            ),
            element("text", unit(value), x=_LEFT - 6, y=scale.y(value) + 4, text_anchor="end"),
        )
        for value in (0.0, scale.top / 2, scale.top)
    ]  # fmt: skip
    times = [
        element("text", f"{scale.begin:%b %d}", x=_LEFT, y=base + 18),
        element("text", f"{scale.end:%b %d}", x=WIDTH - _RIGHT, y=base + 18, text_anchor="end"),
    ]
    return [*levels, *times]
