"""The report's page: complete, self-contained, and text stays text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from buildonce.report.html.markup import VOID, Markup, element, join
from buildonce.report.html.model import Environment, Report
from buildonce.report.html.page import page
from buildonce.report.html.words import duration, size
from tests.unit.report.html.samples import (
    HOSTILE,
    LONG,
    MANY,
    NOW,
    SERVICES,
    days,
    fleet,
    report,
)

CLOSED = {*VOID, "meta"}


class Reader(HTMLParser):
    """Reads a page as a browser would: its elements, their attributes, its text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in CLOSED:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def read() -> Reader:
    return Reader(page(report()))


def test_every_element_is_closed(read: Reader) -> None:
    """The document nests as it should (each closing tag is checked on the way)."""
    assert read.open == []


def test_hostile_text_is_text(read: Reader) -> None:
    """A subject, a name and a reason that are HTML add no element and no attribute."""
    assert read.text.count(HOSTILE) >= 5
    assert {"script", "img"} & set(read.elements) == set()
    assert not [name for name, _ in read.attributes if name.startswith("on")]


@pytest.fixture(scope="module")
def many() -> Reader:
    return Reader(page(fleet()))


def test_nothing_steers_the_direction_of_a_line(many: Reader) -> None:
    """Marks that turn text around, and control characters, are shown for what they are."""
    assert "\\u202egnp.exe \\x1b[31m" in many.text
    assert not {"\u202e", "\x1b"} & {*many.text}


def test_what_is_long_is_cut_or_on_demand(many: Reader) -> None:
    """A subject as long as a message, the services of a commit, and all but the latest rows."""
    assert f"{LONG[:120]}…" in many.text
    assert f"{', '.join(MANY[:4])} and 26 more" in many.text
    assert many.text.count("16 more") == 4  # of each history
    assert many.text.count("15 more") == 4  # of each environment's commits
    assert "the 8 largest of 30" in many.text


def test_nothing_is_loaded(read: Reader) -> None:
    """No element refers to anything outside the page, and the policy forbids it as well."""
    addresses = [value for name, value in read.attributes if name in ("src", "href", "srcset")]
    assert [one for one in addresses if not one.startswith("#")] == []
    assert "url(" not in read.text
    assert "@import" not in read.text
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in read.attributes


def test_the_contents_lead_to_every_section(read: Reader) -> None:
    """Each link of the navigation has its heading, and each section is in it."""
    links = {value.removeprefix("#") for name, value in read.attributes if name == "href"}
    labelled = {value for name, value in read.attributes if name == "aria-labelledby"}
    identities = {value for name, value in read.attributes if name == "id"}
    assert links == labelled == identities


@pytest.mark.parametrize(
    "words",
    [
        "not in sync: 1 check does not hold",
        "Deployed 2 d ago, 2026-11-23 12:00 UTC",
        "2 commits by",
        "29%",
        "api is unhealthy",
        "Nothing: it runs aaaaaaaaaaaa already.",
    ],
)
def test_what_people_look_for_is_there(read: Reader, words: str) -> None:
    """State, age, authors, failure rate, reasons and what is next can be read."""
    assert words in read.text


def test_digests_are_whole(read: Reader) -> None:
    """The evidence has every digest in full, to be copied."""
    found = set(re.findall(r"sha256:[0-9a-f]{64}", read.text))
    assert found == {str(one) for env in report().environments for one in env.digests.values()}


def test_each_plot_says_what_it_shows(read: Reader) -> None:
    """A plot is an image with a text, for who cannot see it."""
    assert read.elements.count("svg") == 5
    assert len([value for name, value in read.attributes if (name, value) == ("role", "img")]) == 5
    assert "Promotions to production a week" in [
        value for name, value in read.attributes if name == "aria-label"
    ]


def test_services_are_shown_by_environment(read: Reader) -> None:
    """Each service has its row."""
    for service in SERVICES:
        assert service in read.text


@pytest.mark.parametrize(
    "made",
    [
        Report("shop", NOW),
        Report("shop", NOW, (Environment("staging", "empty"),), unverified="no answer"),
        report(unverified="the registry did not answer", evidence=(), sizes=()),
    ],
)
def test_a_page_of_little_is_a_page(made: Report) -> None:
    """Before the first release, and where the registry is silent, the page says so."""
    read = Reader(page(made))
    assert read.open == []
    assert "in sync" not in read.text.replace("not in sync", "")


def test_an_open_promotion_is_not_in_sync() -> None:
    """Whatever the checks say, an environment that is being changed is not called in sync."""
    changing = Environment("production", "promotion in progress", "a" * 12, locked=True)
    assert "locked: promotion in progress" in Reader(page(Report("shop", NOW, (changing,)))).text


def test_markup_escapes_what_is_not_markup() -> None:
    """Children and attributes are escaped once, and markup is not escaped again."""
    inner = element("b", "<", title='"')
    assert inner == '<b title="&quot;">&lt;</b>'
    assert element("p", inner, "&") == '<p><b title="&quot;">&lt;</b>&amp;</p>'
    assert join("<", Markup("<br>")) == "&lt;<br>"
    assert element("a", class_="x", stroke_width=2, id=None) == '<a class="x" stroke-width="2"></a>'


@pytest.mark.parametrize(
    ("octets", "words"), [(0, "0 B"), (999, "999 B"), (48_200_000, "48.2 MB"), (2e9, "2.0 GB")]
)
def test_sizes_are_in_the_registrys_units(octets: float, words: str) -> None:
    """Decimal, as registries and docker print them."""
    assert size(octets) == words


def test_a_duration_has_its_largest_unit() -> None:
    """A negative one, which clocks that disagree lead to, is none."""
    assert [duration(NOW - days(number)) for number in (3, 0.25, 0.001, -1)] == [
        "3 d", "6 h", "1 min", "0 s",
    ]  # fmt: skip
