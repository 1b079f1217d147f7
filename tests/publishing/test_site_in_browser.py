"""The web site in a browser without a network: formulas, explorers, predictions, search, the dark, a phone."""

import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from publishing.site import ROOT, notebooks, other_pages

NAMES = list(notebooks())
OTHERS = [path.stem for path in other_pages()]
PAGES = [f"{name}.html" for name in ("index", *NAMES, *OTHERS, "search", "genindex")]
WITH_EXPLORER = PAGES[: len(NAMES) + 1]
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

    def open_answers(self) -> None:
        """Shows what waits for a choice."""
        show = "cells => cells.forEach((cell) => cell.classList.add('bal-open'))"
        self.page.locator(".tag_answer").evaluate_all(show)

    def explorer(self):
        """The first explorer's frame, drawn."""
        self.open_answers()
        self.page.locator(".bal-live iframe").first.scroll_into_view_if_needed()
        frame = self.page.frame_locator(".bal-live iframe").first
        frame.locator("canvas.bal-picture[data-drawn]").wait_for(timeout=30_000)
        self.page.wait_for_timeout(300)
        return frame


@pytest.fixture
def visit(browser, address):
    opened = []

    def open_one(name: str, **view) -> Visit:
        opened.append(Visit(browser, name if ":" in name else address + name, **view))
        return opened[-1]

    open_one.address = address
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
    opened.open_answers()
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
    assert formulas > 5 or name not in PAGES[1 : len(NAMES) + 1] or "/" in name
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
    pages = [*notebooks().values(), ROOT / "notebooks" / "glossary.md"]
    having = {f"{path.stem}.html" for path in pages if "radiologist" in path.read_text(encoding="utf-8")}
    assert {link.get_attribute("href").partition("?")[0] for link in results.all()} == having
    assert opened.wrong == []


@in_browser
@pytest.mark.parametrize("name", WITH_EXPLORER)
def test_an_explorer_answers_without_a_kernel(site, visit, name):
    html = (site / name).read_text(encoding="utf-8")
    if 'class="bal-live"' not in html:
        assert "bal-needs-python" in html or "/" in name
        return
    opened = visit(name)
    frame = opened.explorer()
    canvas = frame.locator("canvas.bal-picture")
    before = canvas.evaluate("canvas => canvas.toDataURL()")
    if (sliders := frame.locator("input[type=range]:visible")).count():
        sliders.first.focus()
        sliders.first.press("End")
        if canvas.evaluate("canvas => canvas.toDataURL()") == before:  # it stood there
            sliders.first.press("Home")
    else:
        frame.locator(".bal-presets button").nth(1).click()
    opened.page.wait_for_timeout(200)
    assert canvas.evaluate("canvas => canvas.toDataURL()") != before
    height, needed = frame.locator("html").evaluate("el => [el.clientHeight, el.scrollHeight]")
    assert needed <= height and height < 1200, "the frame is as high as its page"
    assert frame.locator("body").evaluate("el => el.offsetWidth === innerWidth"), "and its page as wide as the frame"
    assert opened.wrong == []


# titles and names that are drawn by a tenth or more narrower than they are, to fit beside others
SQUEEZED = """() => {
  const draw = CanvasRenderingContext2D.prototype.fillText;
  window.squeezed = new Set();
  CanvasRenderingContext2D.prototype.fillText = function (words, x, y, room) {
    if (room !== undefined && this.measureText(words).width > 1.1 * room) window.squeezed.add(words);
    return draw.apply(this, arguments);
  };
}"""


@in_browser
def test_explorers_lie_within_their_article_and_nothing_in_them_is_cut_or_squeezed(site, visit):
    opened = visit("about:blank", viewport={"width": 1600, "height": 900})
    page = opened.page
    page.add_init_script(f"({SQUEEZED})()")
    pages = [name for name in WITH_EXPLORER if 'class="bal-live"' in (site / name).read_text(encoding="utf-8")]
    assert len(pages) > 3
    for name in pages:
        page.goto(visit.address + name)
        frame = opened.explorer().locator("html")
        for width in (1920, 1440, 1280, 390):
            frame.evaluate("() => window.squeezed.clear()")
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(400)
            left, right, outer_left, outer_right = page.evaluate("""() => {
              const inner = document.querySelector('.bal-live iframe').getBoundingClientRect();
              const outer = document.querySelector('article').getBoundingClientRect();
              return [inner.left, inner.right, outer.left, outer.right];
            }""")
            assert outer_left + 8 <= left and right <= outer_right - 8, (name, width)
            cut, squeezed = frame.evaluate("el => [el.scrollWidth - el.clientWidth, [...window.squeezed]]")
            assert cut == 0, (name, width)
            assert squeezed == [] or width == 390, (name, width)


@in_browser
def test_code_is_not_cut_at_the_right_of_a_screen(visit):
    page = visit("13_batchbald.html", viewport={"width": 1280, "height": 900}).page
    page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    cut = "cells => cells.filter((cell) => cell.scrollWidth > cell.clientWidth + 1).length"
    assert page.locator(".cell_input pre").evaluate_all(cut) == 0


@in_browser
def test_the_page_does_not_jump_while_one_plays(visit):
    """The frame has about its height before its page tells it, and keeps the room it once took."""
    opened = visit("index.html")
    guessed = opened.page.locator(".bal-live iframe").evaluate("""el => {
      const shown = el.style.height; el.style.height = ""; const guess = el.clientHeight; el.style.height = shown; return guess;
    }""")
    frame = opened.explorer()
    height = "el => el.clientHeight"
    before = opened.page.locator(".bal-live iframe").evaluate(height)
    assert abs(guessed - before) < 60
    for key in ("End", "Home"):
        for slider in frame.locator("input[type=range]").all():
            slider.press(key)
            opened.page.wait_for_timeout(100)
            after = opened.page.locator(".bal-live iframe").evaluate(height)
            assert after >= before
            before = after


def first_with_prediction(site) -> str:
    for name in NAMES:
        html = (site / f"{name}.html").read_text(encoding="utf-8")
        if "data-choice" in html and "tag_answer" in html:
            return f"{name}.html"
    pytest.fail("no notebook has a prediction with choices and an answer")


@in_browser
def test_an_answer_waits_for_a_choice(site, visit):
    opened = visit(first_with_prediction(site))
    answer, waits = opened.page.locator(".tag_answer").first, opened.page.locator(".bal-waits").first
    assert answer.is_hidden() and "when you have chosen" in waits.inner_text()
    prediction = opened.page.locator(".tag_prediction:has(.bal-waits)").first
    for hint in prediction.locator("details:not([data-choice]) > summary").all():
        hint.click()
    opened.page.wait_for_timeout(100)
    assert answer.is_hidden(), "a hint is no choice"
    choice = prediction.locator("details[data-choice] > summary").first
    choice.focus()
    choice.press("Enter")
    answer.wait_for(state="visible")
    assert "shown below" in waits.inner_text() and opened.wrong == []


@in_browser
def test_without_scripts_every_answer_is_there(site, browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address + first_with_prediction(site))
    assert page.locator(".tag_answer").first.is_visible() and page.locator(".bal-waits").count() == 0
    context.close()


@in_browser
def test_the_switch_turns_page_and_explorer_dark_and_dims_their_paper(visit):
    opened = visit("11_two_moons_explorer.html", color_scheme="light")
    page, frame = opened.page, opened.explorer()
    colour = "el => getComputedStyle(el).backgroundColor"
    assert page.locator("body").evaluate(colour) == frame.locator("body").evaluate(colour) == "rgb(255, 255, 255)"
    page.locator("button.theme-switch-button:visible").first.click()
    page.locator("button.theme-change-button[data-mode=dark]:visible").first.click()
    page.wait_for_timeout(300)
    body, framed = (
        sum(map(int, re.findall(r"\d+", one.locator("body").evaluate(colour))[:3])) for one in (page, frame)
    )
    assert body < 120 and framed < 120
    dimmed = "el => [getComputedStyle(el).backgroundColor, getComputedStyle(el).filter]"
    figure, canvas = page.locator("article .cell_output img").first, frame.locator(".bal-canvas")
    assert figure.evaluate(dimmed) == canvas.evaluate(dimmed) == ["rgb(255, 255, 255)", "brightness(0.85)"]
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
