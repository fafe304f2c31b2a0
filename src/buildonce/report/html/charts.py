"""The sections of the page that are plots, each with its numbers beside it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from buildonce.report.html import plots
from buildonce.report.html.markup import Markup, element, join
from buildonce.report.html.metrics import Metrics, Point, measure, typical
from buildonce.report.html.model import Deployment, Report, Size
from buildonce.report.html.tables import details, paragraph, section, table
from buildonce.report.html.words import duration, moment, precise, size

LARGEST = 8
"""How many services the plot of sizes shows: those with the largest images."""


def delivery(report: Report) -> Markup:
    """Plot DORA's four measures of each environment whose bytes reach users."""
    measured = [
        join(
            element("h3", one.name),
            _measures(one.name, measure(report.of(one.name), report.made_at), report),
        )
        for one in report.environments
        if one.last
    ]
    about = paragraph(
        "Frequency, lead time, failure rate and time to restore, as DORA defines them, of what "
        "the ledger knows."
    )
    return section("delivery", "Delivery", about, *measured)


def sizes(report: Report) -> Markup:
    """Plot how large the images of the latest releases are."""
    if not report.sizes:
        return section("sizes", "Image sizes", paragraph("No release was built yet."))
    by_service = _largest_first(report.sizes)
    shown = list(by_service)[:LARGEST]
    series = {
        service: [
            plots.Point(one.built_at, one.size, f"{service} {one.release}: {size(one.size)}")
            for one in by_service[service]
        ]
        for service in shown
    }
    plot = plots.lines(series, f"Image sizes of {', '.join(shown)} over releases", size)
    legend = element(
        "ul",
        *(
            element("li", element("span", "■", class_=f"series-{number}"), f" {service} ",
                    size(by_service[service][-1].size))
            for number, service in enumerate(shown)
        ),
        class_="legend",
    )  # fmt: skip
    rows = [
        [service, one.release, moment(one.built_at), size(one.size)]
        for service, found in by_service.items()
        for one in found
    ]
    numbers = table("Image sizes", ["service", "release", "built", "size"], rows)
    return section(
        "sizes", "Image sizes",
        paragraph("The layers as the registry keeps them, compressed", _of_all(by_service), "."),
        element("figure", plot, legend), details("All numbers", numbers),
    )  # fmt: skip


def _of_all(services: Collection[str]) -> str:
    return f": the {LARGEST} largest of {len(services)}" if len(services) > LARGEST else ""


def _measures(environment: str, metrics: Metrics, report: Report) -> Markup:
    return element(
        "div",
        _frequency(environment, metrics),
        _durations("Lead time", f"from a commit to {environment}", metrics.lead_times),
        _failures(environment, metrics, report.of(environment)),
        _durations("Time to restore", f"until {environment} was well again", metrics.restores),
        class_="figures",
    )


def _frequency(environment: str, metrics: Metrics) -> Markup:
    total = sum(count for _, count in metrics.weeks)
    points = [
        plots.Point(week, count, f"week of {week:%Y-%m-%d}: {count}")
        for week, count in metrics.weeks
    ]
    what = f"promotions to {environment} in {len(points)} weeks"
    plot = plots.bars(points, f"Promotions to {environment} a week", lambda value: f"{value:.0f}")
    rows = [[f"{week:%Y-%m-%d}", str(count)] for week, count in metrics.weeks]
    return _figure("Frequency", str(total), what, plot, table(what, ["week of", "number"], rows))


def _durations(title: str, what: str, points: Sequence[Point]) -> Markup:
    middle = typical(points)
    if middle is None:
        return _figure(title, "none", what)
    plot = plots.dots(
        [
            plots.Point(one.at, one.took.total_seconds(), f"{one.release}: {duration(one.took)}")
            for one in points
        ],
        f"{title} {what}",
        _seconds,
    )
    rows = [[one.release, moment(one.at), duration(one.took)] for one in points]
    numbers = table(f"{title} {what}", ["release", "when", "took"], rows)
    return _figure(title, duration(middle), f"{what}, the median", plot, numbers)


def _failures(environment: str, metrics: Metrics, deployments: Sequence[Deployment]) -> Markup:
    what = f"of promotions to {environment} failed or were rolled back from"
    rate = metrics.failure_rate
    if rate is None:
        return _figure("Failure rate", "none", what)
    points = _cumulated(deployments)
    plot = plots.dots(points, f"Share {what}, as of each promotion", _percent)
    rows = [[moment(one.at), one.label] for one in points]
    numbers = table(f"Share {what}", ["as of", "share"], rows)
    what = f"{what}: {metrics.failures} of {metrics.attempts}"
    return _figure("Failure rate", _percent(rate), what, plot, numbers)


def _cumulated(deployments: Sequence[Deployment]) -> list[plots.Point]:
    """Return the failure rate as it was after each ended deployment."""
    points = []
    for end, one in enumerate(deployments, 1):
        rate = measure(deployments[:end], one.ended_at).failure_rate
        if rate is not None and one.outcome in ("done", "failed", "broken"):
            points.append(plots.Point(one.ended_at, rate, f"{one.release}: {_percent(rate)}"))
    return points


def _figure(title: str, value: str, what: str, *content: Markup) -> Markup:
    caption = element("figcaption", element("strong", title), " ",
                      element("span", value, class_="value"), " ", what)  # fmt: skip
    plot, numbers = content[:1], content[1:]
    return element("figure", caption, *plot, *(details("Numbers", one) for one in numbers))


def _largest_first(found: Sequence[Size]) -> dict[str, list[Size]]:
    by_service: dict[str, list[Size]] = {}
    for one in sorted(found, key=_built_at):
        by_service.setdefault(one.service, []).append(one)
    order = sorted(by_service, key=lambda service: -by_service[service][-1].size)
    return {service: by_service[service] for service in order}


def _built_at(one: Size) -> datetime:
    return one.built_at


def _seconds(value: float) -> str:
    return precise(timedelta(seconds=value))


def _percent(value: float) -> str:
    return f"{value:.0%}"
