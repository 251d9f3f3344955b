"""The site in a real browser, Debian's chromium: axe-core, keyboard, search, phone, print, no scripts, no network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from opsgit.cli.main import main
from tests.conftest import Desk
from tests.views.project import worked
from tests.views.test_hostile import hostile  # noqa: F401 - a fixture

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("chromium"), reason="needs Debian's chromium"),
]
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
KINDS = ("index.html", "board.html", "tasks.html", "flow.html", "delivery.html", "agents.html", "audit.html",
         "list/deployed.html", "agent/ana.html")  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a project of 40 tasks, all kinds of pages."""
    box = tmp_path_factory.mktemp("worked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(box))
        patch.setenv("XDG_DATA_HOME", str(box / "data"))
        patch.setenv("XDG_STATE_HOME", str(box / "pins"))
        worked(box, 40)
        assert main(["-C", str(box / "state"), "report", "--format", "html", "--out", str(box / "site")]) == 0
    return box / "site"


def opened(browser: Browser, url: str, **how: Any) -> Page:
    """A page that fails the test if anything is logged, thrown or asked of the network."""
    page = browser.new_context(**how).new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if not request.url.startswith("file:") else None)
    page.goto(url)
    assert said == [], said
    return page


def violations(page: Page, *allowed: str) -> list[str]:
    """What axe-core finds, but for some of its rules."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"] if one["id"] not in allowed]


def all_pages(site: Path) -> list[str]:
    tasks = sorted((site / "task").iterdir(), key=lambda path: -path.stat().st_size)[:3]
    return [*KINDS, *(path.relative_to(site).as_posix() for path in tasks)]


@pytest.mark.parametrize(("scheme", "widths"), [("light", (1280,)), ("dark", (390,))])
def test_no_violation_on_any_page(browser: Browser, site: Path, scheme: str, widths: tuple[int, ...]) -> None:
    for name in all_pages(site):
        for width in widths if name != "index.html" else (1280, 390):
            page = opened(
                browser, (site / name).as_uri(), color_scheme=scheme, viewport={"width": width, "height": 900}
            )
            page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
            assert violations(page) == [], (name, width)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
            page.context.close()


def test_the_single_file_and_the_dashboard(
    browser: Browser, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["report", "--format", "html"], ["dashboard", "--format", "html"]):
        capsys.readouterr()
        assert main(["-C", str(site.parent / "state"), *words]) == 0
        (tmp_path / "one.html").write_text(capsys.readouterr().out)
        page = opened(browser, (tmp_path / "one.html").as_uri(), viewport={"width": 390, "height": 900})
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.context.close()


def test_search_filter_and_the_url(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "tasks.html").as_uri())
    page.keyboard.press("/")
    page.keyboard.type("T-1 ")
    assert page.input_value("input[name=q]") == "T-1 "
    page.fill("input[name=q]", "t-17")
    assert page.inner_text("[role=status]") == "1 found"
    assert page.inner_text("#results").startswith("T-17")
    assert page.url.endswith("#q=t-17")
    page.select_option("select[name=status]", "cancelled")
    assert page.inner_text("[role=status]") == "0 found"
    again = opened(browser, (site / "tasks.html").as_uri() + "#status=deployed&who=ana")
    assert again.input_value("select[name=status]") == "deployed"
    number = int(again.inner_text("[role=status]").split()[0])
    assert 0 < number == again.locator("#results li").count()
    again.locator("#results a").first.click()
    assert "Timeline" in again.inner_text("main")
    board = opened(browser, (site / "board.html").as_uri() + "#who=ana")
    shown = board.locator(".tile:visible")
    assert 0 < shown.count() < board.locator(".tile").count()
    assert {one.get_attribute("data-who") for one in shown.all()} == {"ana"}


def test_by_keyboard_alone(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "index.html").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.getAttribute('href')"))
    links = {link.get_attribute("href") for link in page.locator("nav a, .group a").all()}
    assert links <= reached
    page.keyboard.press("Shift+Tab")
    page.locator("nav a").nth(3).focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/flow.html")
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("figure details").first.evaluate("one => one.open")


def test_all_content_is_there_without_scripts(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "tasks.html").as_uri(), java_script_enabled=False)
    assert page.locator("form").first.is_hidden()
    seen: set[str] = set()
    for link in page.locator("main a").all():
        other = opened(browser, (site / str(link.get_attribute("href"))).as_uri(), java_script_enabled=False)
        seen |= {str(one.inner_text()) for one in other.locator("tbody th b").all()}
        other.context.close()
    assert seen == {path.stem for path in (site / "task").iterdir()}


def test_print(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "board.html").as_uri(), color_scheme="dark")
    page.emulate_media(media="print")
    assert page.locator("header nav").is_hidden()
    assert page.locator("form").is_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert len(page.pdf()) > 5000


def test_screen_readers_are_told_what_a_chart_shows(browser: Browser, site: Path) -> None:
    page = opened(browser, (site / "flow.html").as_uri())
    told = [chart.aria_snapshot() for chart in page.locator("figure svg").all()]
    assert len(told) == 4
    assert "Cycle time" in told[1] and "50% within" in told[1]


def test_hostile_words_do_nothing(browser: Browser, hostile: Desk, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    hostile.ok("report", "--format", "html", "--out", str(tmp_path / "site"))
    for name in (
        "index.html",
        "board.html",
        "tasks.html#q=script",
        "audit.html",
        "task/T-1.html",
        "task/T-3.html",
        "task/T-10.html",
    ):
        page = opened(browser, (tmp_path / "site/x").as_uri()[:-1] + name)
        page.wait_for_timeout(50)
        assert page.evaluate("document.querySelectorAll('img, iframe, svg[onload], main script').length") == 0
        assert violations(page, "heading-order") == [], "a description may skip levels of headings"
    found = page.evaluate("Array.from(document.links).map((link) => link.protocol)")
    assert set(found) <= {"file:", "https:", "http:", "mailto:"}
    index = json.loads((tmp_path / "site/index.js").read_text().removeprefix("window.opsgit = ").removesuffix(";\n"))
    assert len(index) == len(list((tmp_path / "site/task").iterdir()))
