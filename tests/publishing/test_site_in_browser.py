"""The web site in a browser without a network: formulas, explorers, search, the dark, a phone."""

import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from publishing.site import notebooks

STEMS = [path.stem for path in notebooks().values()]
PAGES = [f"{name}.html" for name in ("index", *STEMS, "notation", "glossary", "search", "genindex")]
PHONE = {"width": 360, "height": 800}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def address(site):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


class Visit:
    """A page of the site, open, with everything that went wrong on the way."""

    def __init__(self, browser, url: str, **view) -> None:
        self.page = browser.new_page(**{"viewport": {"width": 1300, "height": 900}} | view)
        self.wrong: list[str] = []
        self.page.on(
            "console", lambda said: self.wrong.append(said.text) if said.type in ("error", "warning") else None
        )
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("requestfailed", lambda request: self.wrong.append(request.url))
        self.page.goto(url)
        self.page.evaluate("() => window.MathJax?.startup?.promise")

    def explorer(self):
        """The first explorer's frame, drawn."""
        self.page.locator(".bal-live iframe").first.scroll_into_view_if_needed()
        frame = self.page.frame_locator(".bal-live iframe").first
        frame.locator("canvas.bal-picture[data-drawn]").wait_for(timeout=30_000)
        self.page.wait_for_timeout(300)
        return frame


@pytest.fixture
def visit(browser, address):
    opened = []

    def open_one(name: str, **view) -> Visit:
        opened.append(Visit(browser, name if "://" in name else address + name, **view))
        return opened[-1]

    yield open_one
    for one in opened:
        one.page.close()


in_browser = pytest.mark.flaky(reruns=2)  # as in tests/browser: on a busy machine a browser can miss its moment
WIDER = """() => {
  const room = document.documentElement.clientWidth, boxed = (el) => {
    for (let up = el.parentElement; up && up !== document.body; up = up.parentElement)
      if (/auto|scroll|hidden/.test(getComputedStyle(up).overflowX)
        && up.getBoundingClientRect().right <= room + 1) return true;
    return false;
  };
  return [...document.querySelectorAll('article *')]
    .filter((el) => el.getBoundingClientRect().right > room + 1 && !boxed(el)).map((el) => el.outerHTML.slice(0, 90));
}"""
# formulas in a sentence that are wider than their box, and whether the rest can be scrolled to
WIDE_FORMULAS = """() => [...document.querySelectorAll('article span.math')]
  .filter((el) => el.querySelector('mjx-math').getBoundingClientRect().right > el.getBoundingClientRect().right + 2)
  .map((el) => getComputedStyle(el).overflowX)"""


@in_browser
@pytest.mark.parametrize("name", PAGES)
def test_on_a_phone_without_a_network(visit, name):
    opened = visit(name, viewport=PHONE, has_touch=True)
    page = opened.page
    for place in page.locator("article img, .bal-live iframe").all():
        place.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    assert opened.wrong == []
    room, needed = page.evaluate("() => [document.documentElement.clientWidth, document.documentElement.scrollWidth]")
    assert needed <= room and page.evaluate(WIDER) == []
    formulas = page.locator("article span.math, article div.math").count()
    assert page.locator("article mjx-container").count() == formulas
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    assert set(page.evaluate(WIDE_FORMULAS)) <= {"auto"}
    assert formulas > 10 or name in PAGES[:1] + PAGES[-3:] or name == "notation.html"
    assert page.evaluate("() => [...document.images].every((image) => image.complete && image.naturalWidth > 0)")


@in_browser
def test_search_finds_the_pages_that_have_the_word(visit):
    opened = visit("index.html")
    opened.page.keyboard.press("Control+k")
    field = opened.page.locator("input[name=q]:visible").first
    field.fill("radiologist")
    field.press("Enter")
    results = opened.page.locator("#search-results li a")
    results.first.wait_for(timeout=20_000)
    having = {f"{path.stem}.html" for path in notebooks().values() if "radiologist" in path.read_text(encoding="utf-8")}
    assert {link.get_attribute("href").partition("?")[0] for link in results.all()} == having
    assert opened.wrong == []


@in_browser
@pytest.mark.parametrize("name", PAGES[: len(STEMS) + 1])
def test_an_explorer_answers_without_a_kernel(site, visit, name):
    html = (site / name).read_text(encoding="utf-8")
    if 'src="explorers/' not in html:
        assert "bal-needs-python" in html
        return
    opened = visit(name)
    frame = opened.explorer()
    canvas = frame.locator("canvas.bal-picture")
    before = canvas.evaluate("canvas => canvas.toDataURL()")
    slider = frame.locator("input[type=range]").first
    slider.focus()
    slider.press("End")
    if canvas.evaluate("canvas => canvas.toDataURL()") == before:  # it stood there
        slider.press("Home")
    opened.page.wait_for_timeout(200)
    assert canvas.evaluate("canvas => canvas.toDataURL()") != before
    height, needed = frame.locator("html").evaluate("el => [el.clientHeight, el.scrollHeight]")
    assert needed <= height and height < 1200, "the frame is as high as its page"
    assert frame.locator("body").evaluate("el => el.offsetWidth === innerWidth"), "and its page as wide as the frame"
    assert opened.wrong == []


@in_browser
def test_the_switch_turns_page_and_explorer_dark_and_leaves_figures_on_paper(visit):
    opened = visit("11_two_moons_explorer.html", color_scheme="light")
    page, frame = opened.page, opened.explorer()
    colour = "el => getComputedStyle(el).backgroundColor"
    assert page.locator("body").evaluate(colour) == frame.locator("body").evaluate(colour) == "rgb(255, 255, 255)"
    for _ in range(3):
        if page.locator("html").get_attribute("data-theme") == "dark":
            break
        page.locator("button.theme-switch-button:visible").first.click()
    page.wait_for_timeout(300)
    body, framed = (
        sum(map(int, re.findall(r"\d+", one.locator("body").evaluate(colour))[:3])) for one in (page, frame)
    )
    assert body < 120 and framed < 120
    figure = page.locator("article .cell_output img").first
    assert (
        figure.evaluate(colour) == "rgb(255, 255, 255)"
        and figure.evaluate("el => getComputedStyle(el).filter") == "none"
    )
    assert opened.wrong == []


@in_browser
@pytest.mark.parametrize("name", ["03_kinds_of_uncertainty.html", "search.html", "index.html"])
def test_what_is_not_of_the_site_is_refused(site, visit, attack, name):
    attack(visit(name).page)
    attack(visit((site / name).as_uri()).page)


@in_browser
def test_it_opens_from_a_disk_too(site, visit):
    opened = visit((site / "03_kinds_of_uncertainty.html").as_uri())
    assert opened.page.locator("mjx-container").count() > 50
    frame = opened.explorer()
    before = frame.locator(".bal-status").inner_text()
    frame.locator("input[type=range]").first.press("End")
    opened.page.wait_for_timeout(200)
    assert frame.locator(".bal-status").inner_text() != before


@in_browser
def test_from_one_notebook_to_another_by_a_link_in_the_text(visit):
    opened = visit("11_two_moons_explorer.html")
    opened.page.locator("article p a[href^='10_active']").first.click()
    opened.page.wait_for_url("**/10_active_learning_strategies.html*")
    assert opened.wrong == []
