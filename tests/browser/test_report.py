"""The report as a browser shows it: Chromium or Chrome, without a network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from buildonce.report.html.page import page
from tests.unit.report.html.samples import HOSTILE, fleet, report

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = [1280, 390]
SCHEMES = ["light", "dark"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.fail("there is no Chromium here: apt install chromium")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=sandbox)
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(page(report()), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("fleet") / "index.html"
    path.write_text(page(fleet()), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(params=WIDTHS)
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    size = {"width": request.param, "height": 900}
    with browser.new_context(viewport=size) as opened:
        yield opened


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing(context: BrowserContext, address: str, scheme: str) -> None:
    """No rule of axe-core is broken: contrast, names, order and structure, light and dark."""
    shown = context.new_page()
    shown.emulate_media(color_scheme=scheme)
    shown.goto(address)
    found = Axe().run(shown).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


def test_the_console_stays_empty(context: BrowserContext, address: str) -> None:
    """Nothing is refused by the policy, nothing fails to load, and no script has an error."""
    messages: list[str] = []
    shown = context.new_page()
    shown.on("console", lambda message: messages.append(message.text))
    shown.on("pageerror", lambda error: messages.append(str(error)))
    shown.on("requestfailed", lambda request: messages.append(request.url))
    shown.goto(address)
    assert messages == []


def test_a_hostile_subject_stays_text(context: BrowserContext, address: str) -> None:
    """The subject of a commit is shown, and nothing in it runs."""
    shown = context.new_page()
    shown.on("dialog", lambda _: pytest.fail("a script ran"))
    shown.goto(address)
    assert shown.title() == "acme/shop: releases"
    assert shown.get_by_text(HOSTILE).count() > 0
    assert shown.locator("script, img").count() == 0


def test_the_page_is_not_wider_than_its_window(context: BrowserContext, address: str) -> None:
    """Wide tables scroll inside themselves."""
    shown = context.new_page()
    shown.goto(address)
    assert shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_large_fleet_stays_readable(context: BrowserContext, large: str, scheme: str) -> None:
    """Thirty services, long names and subjects: axe finds nothing, and no row gets tall."""
    shown = context.new_page()
    shown.emulate_media(color_scheme=scheme)
    shown.goto(large)
    found = Axe().run(shown).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
    assert shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    rows = "[...document.querySelectorAll('tr')].map(row => row.getBoundingClientRect().height)"
    assert max(shown.evaluate(rows)) < 450


def test_it_reads_without_javascript(browser: Browser, address: str) -> None:
    """The numbers behind a plot open without a script."""
    with browser.new_context(java_script_enabled=False) as opened:
        shown = opened.new_page()
        shown.goto(address)
        figure = shown.locator("figure", has_text="Lead time")
        figure.get_by_text("Numbers").click()
        assert figure.get_by_role("table").is_visible()


def test_it_prints_on_paper(browser: Browser, address: str, tmp_path: Path) -> None:
    """Printed, it is black on white, whatever the screen's scheme is."""
    with browser.new_context(color_scheme="dark") as opened:
        shown = opened.new_page()
        shown.goto(address)
        shown.emulate_media(media="print")
        assert background(shown) == "rgb(255, 255, 255)"
        path = tmp_path / "report.pdf"
        shown.pdf(path=path)
        assert path.read_bytes().startswith(b"%PDF")


def background(shown: Page) -> str:
    found: str = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    return found
