"""The README's picture and animation of the playground: `python -m publishing.playground_pictures PAGE FOLDER`.

`make pictures` takes them in headless Chromium from the page itself, so they show what a reader will really see: a race from
six labels to thirty, every second round of it.
"""

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from publishing.command import paths_given

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
SIZE, ANIMATED_WIDTH = {"width": 1280, "height": 720}, 800
ROUNDS, EVERY = 24, 2
MILLISECONDS, LAST_MILLISECONDS = 500, 4000
MOST_BYTES = 1_000_000
PATIENCE = 300_000  # milliseconds, for a machine that has other things to do
SHOWN = "round => document.querySelector('main').dataset.shown === String(round)"


def race(page: Page) -> Iterator[Image.Image]:
    """The page at the beginning of a race, after every second round, and at its end."""
    for played in range(ROUNDS + 1):
        page.wait_for_function(SHOWN, arg=played, timeout=PATIENCE)
        if played == ROUNDS:
            page.wait_for_timeout(3000)  # the band of random runs comes last
        if played % EVERY == 0:
            yield Image.open(io.BytesIO(page.locator("main").screenshot())).convert("RGB")
        if played < ROUNDS:
            page.get_by_role("button", name="Step").click()


def with_few_colours(pictures: list[Image.Image]) -> list[Image.Image]:
    """At most 128 colours, the same in all pictures, so that paper keeps its tint from one to the next.

    Rare ones are kept: the few red triangles must not turn into the map's yellow.
    """
    whole = Image.new("RGB", (pictures[0].width, sum(one.height for one in pictures)))
    for number, one in enumerate(pictures):
        whole.paste(one, (0, number * pictures[0].height))
    palette = whole.quantize(128, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    return [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in pictures]


def animation(pictures: list[Image.Image]) -> bytes:
    """A GIF of the pictures; raises ValueError where it is larger than a README should load."""
    height = round(ANIMATED_WIDTH * pictures[0].height / pictures[0].width)
    small = with_few_colours([one.resize((ANIMATED_WIDTH, height), Image.Resampling.LANCZOS) for one in pictures])
    times = [MILLISECONDS] * (len(small) - 1) + [LAST_MILLISECONDS]
    file = io.BytesIO()
    small[0].save(file, "GIF", save_all=True, append_images=small[1:], duration=times, loop=0, optimize=True)
    if file.tell() > MOST_BYTES:
        raise ValueError(f"pictures: expected an animation of at most {MOST_BYTES:,} bytes, got {file.tell():,}")
    return file.getvalue()


def main(page_file: Path, folder: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport=SIZE, reduced_motion="reduce")
        page.goto(f"{page_file.resolve().as_uri()}?controls=play,race")
        pictures = list(race(page))
        browser.close()
    with_few_colours(pictures[-1:])[0].save(folder / "playground.png", optimize=True)
    (folder / "playground.gif").write_bytes(animation(pictures))


if __name__ == "__main__":
    main(*paths_given("python -m publishing.playground_pictures PAGE FOLDER", at_least=2, at_most=2))
