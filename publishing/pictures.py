"""The README's pictures of the TwoMoons explorer: one screenshot, and a short animation of a learner at its controls.

`make pictures` takes them from the static page in headless Chromium, so they show what a reader will really see.
"""

import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parent.parent
PAGE, FIGURES = ROOT / "build" / "two_moons.html", ROOT / "figures"
FLAGS = ["--no-sandbox", "--disable-gpu"]
SIZE = {"width": 1100, "height": 860}
ANIMATED_WIDTH, STILL_MILLISECONDS = 720, 1400
START = [("First labels", "8"), ("Samples T", "100")]
TOUR = [("Strategy", "Margin"), ("Strategy", "Max entropy"), ("Strategy", "BALD"), ("Posterior", "ensemble"),
        ("Samples T", "5"), ("Samples T", "100"), ("First labels", "16"), ("Show terms", "on")]  # fmt: skip


def choose(page: Page, label: str, value: str) -> None:
    """Sets one control by its label: an option of a list, a place of a slider by the value beside it, or a tick."""
    control = page.get_by_label(label, exact=True)
    if control.evaluate("element => element.tagName") == "SELECT":
        control.select_option(label=value)
    elif control.get_attribute("type") == "checkbox":
        control.check()
    else:
        control.focus()
        page.keyboard.press("Home")
        for _ in range(int(control.get_attribute("max"))):
            if control.evaluate("element => element.nextElementSibling.textContent.trim()") == value:
                break
            page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)


def frames(page: Page) -> Iterator[Image.Image]:
    """The page at the start of the tour and after each of its steps."""
    for label, value in START:
        choose(page, label, value)
    yield picture_of(page)
    for label, value in TOUR:
        choose(page, label, value)
        yield picture_of(page)


def picture_of(page: Page) -> Image.Image:
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def with_few_colours(picture: Image.Image) -> Image.Image:
    """At most 256 colours, rare ones kept: the few red triangles must not turn into the map's yellow."""
    return picture.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


def main() -> None:
    if not PAGE.exists():
        raise SystemExit(f"pictures: expected {PAGE.relative_to(ROOT)}; run `make page` first")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport=SIZE)
        page.goto(PAGE.as_uri())
        page.locator("canvas.bal-picture[data-drawn]").wait_for()
        pictures = list(frames(page))
        browser.close()
    with_few_colours(pictures[0]).save(FIGURES / "two_moons.png", optimize=True)
    height = round(ANIMATED_WIDTH * SIZE["height"] / SIZE["width"])
    small = [
        with_few_colours(picture.resize((ANIMATED_WIDTH, height), Image.Resampling.LANCZOS)) for picture in pictures
    ]
    small[0].save(
        FIGURES / "two_moons.gif",
        save_all=True,
        append_images=small[1:],
        duration=STILL_MILLISECONDS,
        loop=0,
        optimize=True,
    )


if __name__ == "__main__":
    main()
